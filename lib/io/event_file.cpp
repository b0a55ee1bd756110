// SPDX-License-Identifier: Apache-2.0
#include "io/event_file.h"

#include <array>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <unistd.h>

#include "io/folder.h"

namespace onestep::io {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::array<uint32_t, 256> kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? 0x82f63b78 ^ (crc >> 1) : crc >> 1;
    table[byte] = crc;
  }
  return table;
}();

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// Protobuf's wire format: a key is number << 3 | type, with type 0 a varint, 1 eight bytes, 2 a length and so
// many bytes, 5 four bytes.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}
std::string integer(uint64_t number, int64_t value) {
  return varint(number << 3) + varint(static_cast<uint64_t>(value));
}
std::string real64(uint64_t number, double value) {
  return varint(number << 3 | 1) + raw(value);
}
std::string real32(uint64_t number, float value) {
  return varint(number << 3 | 5) + raw(value);
}
std::string bytes(uint64_t number, std::string_view value) {
  return varint(number << 3 | 2) + varint(value.size()) + std::string(value);
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Event {1: wall_time, 2: step, 5: Summary {1: Value ...}}.
std::string event(int64_t step, const std::string& values) {
  return real64(1, wall_time()) + integer(2, step) + bytes(5, values);
}

/// Names sort by age, so that readers meet an older file first.
std::filesystem::path new_file(const std::filesystem::path& folder) {
  make_folders(folder);
  char host[64] = "host";
  ::gethostname(host, sizeof host - 1);
  const auto seconds = static_cast<long long>(wall_time());
  for (int i = 0;; ++i) {
    char name[128];
    std::snprintf(name, sizeof name, "events.out.tfevents.%010lld.%04d.%s", seconds, i, host);
    if (!path_exists(folder / name)) return folder / name;
  }
}

}  // namespace

uint32_t masked_crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) crc = kCrcTable[(crc ^ static_cast<uint8_t>(byte)) & 255] ^ (crc >> 8);
  return std::rotr(~crc, 15) + 0xa282ead8;
}

EventFile::EventFile(const std::filesystem::path& folder, int64_t first_step) : file_(new_file(folder)) {
  record(real64(1, wall_time()) + bytes(3, "brain.Event:2"));
  // SessionLog {1: status START}. In every file: readers look for a second one.
  record(real64(1, wall_time()) + integer(2, first_step) + bytes(7, integer(1, 1)));
}

void EventFile::scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  std::string summary;
  for (const auto& [tag, value] : values)
    summary += bytes(1, bytes(1, tag) + real32(2, static_cast<float>(value)));
  record(event(step, summary));
}

void EventFile::image(int64_t step, const std::string& tag, const EncodedImage& image) {
  const std::string encoded =
      integer(1, image.height) + integer(2, image.width) + integer(3, image.channels) + bytes(4, image.png);
  record(event(step, bytes(1, bytes(1, tag) + bytes(4, encoded))));
}

void EventFile::text(int64_t step, const std::string& tag, const std::string& markdown) {
  constexpr int64_t kString = 7;  // TensorProto {1: dtype, 2: shape {2: dim {1: size}}, 8: string_val}
  const std::string tensor = integer(1, kString) + bytes(2, bytes(2, integer(1, 1))) + bytes(8, markdown);
  const std::string plugin = bytes(1, bytes(1, "text"));  // SummaryMetadata {1: PluginData {1: plugin_name}}
  record(event(step, bytes(1, bytes(1, tag) + bytes(8, tensor) + bytes(9, plugin))));
}

void EventFile::record(const std::string& event) {
  const std::string length = raw(static_cast<uint64_t>(event.size()));
  file_.append(length + raw(masked_crc32c(length)) + event + raw(masked_crc32c(event)));
}

}  // namespace onestep::io
