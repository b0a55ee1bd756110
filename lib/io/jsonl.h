// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include <nlohmann/json.hpp>

#include "io/file_error.h"

namespace onestep::io {

/// A log of one JSON object a line, made or continued. A line is written with one call at the file's
/// end, so that a reader never sees half of it, and a crash loses at most the last one.
class JsonLines {
 public:
  /// Throws FileError when the file cannot be opened for appending, or is none (write_target).
  explicit JsonLines(const std::filesystem::path& path);
  ~JsonLines();
  JsonLines(const JsonLines&) = delete;
  JsonLines& operator=(const JsonLines&) = delete;

  /// NaN and infinities become null; bytes that are not UTF-8 become U+FFFD. On FileError (disk full)
  /// nothing of the line stays in the file.
  void append(const nlohmann::ordered_json& object);

 private:
  std::filesystem::path path_;
  int fd_ = -1;
};

/// The objects of such a log; a torn last line (no newline at its end) is left out. Throws FileError naming
/// the line that is not a JSON object.
std::vector<nlohmann::ordered_json> read_jsonl(const std::filesystem::path& path);

/// For a run that resumes at `nimg` images: drops the lines whose number "nimg" is above it, and a torn last
/// line. Lines without "nimg" stay. The file is replaced whole; a missing file is left missing. Throws
/// FileError as read_jsonl does.
void truncate_jsonl(const std::filesystem::path& path, int64_t nimg);

}  // namespace onestep::io
