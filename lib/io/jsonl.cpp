// SPDX-License-Identifier: Apache-2.0
#include "io/jsonl.h"

#include <functional>
#include <string_view>

#include "io/atomic_file.h"
#include "io/file.h"
#include "io/folder.h"

namespace onestep::io {
namespace {

// Calls visit(line with its newline, object) for every whole line that is an object; returns how many are
// not.
int64_t for_each_line(std::string_view bytes,
                      const std::function<void(std::string_view, const nlohmann::ordered_json&)>& visit) {
  int64_t unreadable = 0;
  for (size_t end; (end = bytes.find('\n')) != std::string_view::npos; bytes.remove_prefix(end + 1)) {
    const std::string_view line = bytes.substr(0, end);
    const auto object = nlohmann::ordered_json::parse(line.begin(), line.end(), nullptr, false);
    if (object.is_object())
      visit(bytes.substr(0, end + 1), object);
    else
      ++unreadable;
  }
  return unreadable;
}

}  // namespace

JsonLines::JsonLines(const std::filesystem::path& path) : file_(path) {}

void JsonLines::append(const nlohmann::ordered_json& object) {
  file_.append(object.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void for_each_json_line(const std::filesystem::path& path,
                        const std::function<void(const nlohmann::ordered_json&)>& visit) {
  const MappedFile file(path);
  for_each_line(file.bytes(), [&](std::string_view, const nlohmann::ordered_json& object) { visit(object); });
}

std::vector<nlohmann::ordered_json> read_jsonl(const std::filesystem::path& path) {
  std::vector<nlohmann::ordered_json> objects;
  for_each_json_line(path, [&](const nlohmann::ordered_json& object) { objects.push_back(object); });
  return objects;
}

int64_t truncate_jsonl(const std::filesystem::path& path, int64_t nimg) {
  if (!path_exists(path)) return 0;
  const MappedFile file(path);
  std::string kept;
  const auto keep = [&](std::string_view line, const nlohmann::ordered_json& object) {
    const auto found = object.find("nimg");
    if (found == object.end() || !found->is_number() || found->get<double>() <= static_cast<double>(nimg))
      kept += line;
  };
  const int64_t unreadable = for_each_line(file.bytes(), keep);
  if (kept != file.bytes()) write_file_atomically(path, kept);
  return unreadable;
}

}  // namespace onestep::io
