// SPDX-License-Identifier: Apache-2.0
#include "io/jsonl.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "io/file.h"
#include "io/folder.h"

namespace onestep::io {
namespace {

// Calls visit(line with its newline, object) for every whole line.
void for_each_line(const std::filesystem::path& path, std::string_view bytes,
                   const std::function<void(std::string_view, nlohmann::ordered_json&&)>& visit) {
  for (int number = 1;; ++number) {
    const size_t end = bytes.find('\n');
    if (end == std::string_view::npos) return;
    const std::string_view line = bytes.substr(0, end);
    auto object = nlohmann::ordered_json::parse(line.begin(), line.end(), nullptr, false);
    if (!object.is_object())
      throw FileError(path, "line " + std::to_string(number) + " is not a JSON object");
    visit(bytes.substr(0, end + 1), std::move(object));
    bytes.remove_prefix(end + 1);
  }
}

}  // namespace

JsonLines::JsonLines(const std::filesystem::path& path)
    : path_(path), fd_(::open(write_target(path).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (fd_ < 0) throw FileError(path, std::string("cannot be written: ") + std::strerror(errno));
}

JsonLines::~JsonLines() {
  ::close(fd_);
}

void JsonLines::append(const nlohmann::ordered_json& object) {
  const std::string line =
      object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  struct stat before {};
  const bool sized = ::fstat(fd_, &before) == 0 && S_ISREG(before.st_mode);
  const ssize_t written = ::write(fd_, line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) return;
  const int error = written < 0 ? errno : ENOSPC;  // a short write to a file means that the disk is full
  const bool clean = written <= 0 || (sized && ::ftruncate(fd_, before.st_size) == 0);
  throw FileError(path_, std::string("cannot be written: ") + std::strerror(error) +
                             (clean ? "" : "; its last line is torn"));
}

std::vector<nlohmann::ordered_json> read_jsonl(const std::filesystem::path& path) {
  const MappedFile file(path);
  std::vector<nlohmann::ordered_json> objects;
  for_each_line(path, file.bytes(), [&](std::string_view, nlohmann::ordered_json&& object) {
    objects.push_back(std::move(object));
  });
  return objects;
}

void truncate_jsonl(const std::filesystem::path& path, int64_t nimg) {
  if (!path_exists(path)) return;
  const MappedFile file(path);
  std::string kept;
  for_each_line(path, file.bytes(), [&](std::string_view line, const nlohmann::ordered_json& object) {
    const auto found = object.find("nimg");
    if (found == object.end() || !found->is_number() || found->get<double>() <= static_cast<double>(nimg))
      kept += line;
  });
  if (kept != file.bytes()) write_file_atomically(path, kept);
}

}  // namespace onestep::io
