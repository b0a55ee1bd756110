// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
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

/// Calls visit(object) for every line of such a log. A line that is none (a disk's fault, an editor's) is
/// left out, and so is a torn last one (no newline at its end). Throws FileError when the file cannot be
/// read.
void for_each_json_line(const std::filesystem::path& path,
                        const std::function<void(const nlohmann::ordered_json&)>& visit);

/// All of them at once.
std::vector<nlohmann::ordered_json> read_jsonl(const std::filesystem::path& path);

/// For a run that resumes at `nimg` images: drops the lines whose number "nimg" is above it, those that are
/// no JSON object, and a torn last one. Lines without "nimg" stay. The file is replaced whole; a missing file
/// is left missing. Returns how many lines were no JSON object. Throws FileError when the file cannot be read
/// or replaced.
int64_t truncate_jsonl(const std::filesystem::path& path, int64_t nimg);

}  // namespace onestep::io
