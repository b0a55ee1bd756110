// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include <nlohmann/json.hpp>

#include "io/append_file.h"

namespace onestep::io {

/// A log of one JSON object a line, made or continued.
class JsonLines {
 public:
  /// Throws as AppendFile does.
  explicit JsonLines(const std::filesystem::path& path);

  /// NaN and infinities become null; bytes that are not UTF-8 become U+FFFD. Throws as AppendFile does.
  void append(const nlohmann::ordered_json& object);

 private:
  AppendFile file_;
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
