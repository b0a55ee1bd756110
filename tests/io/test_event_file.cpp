// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>
#include <functional>
#include <map>

#include <catch2/catch.hpp>

#include "file_size_limit.h"
#include "io/event_file.h"
#include "io/file.h"
#include "io/folder.h"
#include "temporary_folder.h"

using namespace onestep;

namespace {

/// Castagnoli's CRC a bit at a time.
uint32_t slow_crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
  }
  return ~crc;
}

uint32_t masked(std::string_view bytes) {
  const uint32_t crc = slow_crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

template <class T>
T take(std::string_view& bytes) {
  REQUIRE(bytes.size() >= sizeof(T));
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

uint64_t take_varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = take<uint8_t>(bytes);
    value |= uint64_t{byte & 127u} << shift;
    if (byte < 128) return value;
  }
}

/// A protobuf message: what stands under each number.
struct Message {
  std::multimap<uint64_t, std::string> bytes;
  std::multimap<uint64_t, uint64_t> integers;
  std::multimap<uint64_t, double> reals;

  explicit Message(std::string_view rest) {
    while (!rest.empty()) {
      const uint64_t key = take_varint(rest), number = key >> 3;
      switch (key & 7) {
        case 0:
          integers.emplace(number, take_varint(rest));
          break;
        case 1:
          reals.emplace(number, take<double>(rest));
          break;
        case 5:
          reals.emplace(number, take<float>(rest));
          break;
        case 2: {
          const uint64_t size = take_varint(rest);
          REQUIRE(rest.size() >= size);
          bytes.emplace(number, rest.substr(0, size));
          rest.remove_prefix(size);
          break;
        }
        default:
          FAIL("wire type " << (key & 7));
      }
    }
  }
  Message in(uint64_t number) const { return Message(text(number)); }
  std::string text(uint64_t number) const {
    REQUIRE(bytes.count(number) > 0);
    return bytes.find(number)->second;
  }
};

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  return io::entries_of(folder);
}

/// The events of a file, whose checksums are right.
std::vector<Message> events_of(const std::filesystem::path& file) {
  const std::string all = io::read_file(file);
  std::string_view rest = all;
  std::vector<Message> events;
  while (!rest.empty()) {
    const std::string_view head = rest.substr(0, 8);
    const auto size = take<uint64_t>(rest);
    CHECK(take<uint32_t>(rest) == masked(head));
    REQUIRE(rest.size() >= size);
    const std::string_view data = rest.substr(0, size);
    rest.remove_prefix(size);
    CHECK(take<uint32_t>(rest) == masked(data));
    events.emplace_back(data);
  }
  return events;
}

}  // namespace

TEST_CASE("The checksum is CRC-32C with TFRecord's mask") {
  CHECK(slow_crc32c("123456789") == 0xe3069283);  // the check value of the algorithm's catalogue
  for (const char* text : {"", "a", "123456789", "a longer text with\nmore than one line"})
    CHECK(io::masked_crc32c(text) == masked(text));
}

TEST_CASE("Events hold scalars, pictures and text by tag and step") {
  const TemporaryFolder folder;
  {
    io::EventFile file(folder / "events", 0);
    file.scalars(1000, {{"loss", 0.25}, {"fid", NAN}});
    file.scalars(3'000'000'000, {{"loss", 1e300}});
    file.image(2000, "samples", {.height = 300, .width = 7, .channels = 3, .png = std::string(1000, '\xff')});
    file.text(0, "config", "a: 1");
  }
  REQUIRE(files_in(folder / "events").size() == 1);
  CHECK(files_in(folder / "events")[0].filename().string().starts_with("events.out.tfevents."));
  const auto events = events_of(files_in(folder / "events")[0]);
  REQUIRE(events.size() == 6);
  CHECK(events[0].text(3) == "brain.Event:2");
  for (const Message& event : events) CHECK(event.reals.find(1)->second > 1.7e9);  // wall time

  CHECK(events[1].in(7).integers.find(1)->second == 1);
  CHECK(events[2].integers.find(2)->second == 1000);
  const Message summary = events[2].in(5);
  REQUIRE(summary.bytes.count(1) == 2);
  std::map<std::string, double> values;
  for (const auto& [number, bytes] : summary.bytes) {
    const Message value(bytes);
    values[value.text(1)] = value.reals.find(2)->second;
  }
  CHECK(values.at("loss") == 0.25);
  CHECK(std::isnan(values.at("fid")));

  CHECK(events[3].integers.find(2)->second == 3'000'000'000);
  CHECK(std::isinf(events[3].in(5).in(1).reals.find(2)->second));
  const Message image = events[4].in(5).in(1).in(4);
  CHECK(image.integers.find(1)->second == 300);
  CHECK(image.integers.find(2)->second == 7);
  CHECK(image.integers.find(3)->second == 3);
  CHECK(image.text(4).size() == 1000);
  const Message text = events[5].in(5).in(1);
  CHECK(text.text(1) == "config");
  CHECK(text.in(8).text(8) == "a: 1");
  CHECK(text.in(9).in(1).text(1) == "text");
}

TEST_CASE("A resumed run begins a file of its own, which tells from where on it replaces the others") {
  const TemporaryFolder folder;
  { io::EventFile(folder.path(), 0).scalars(1, {{"loss", 1}}); }
  { io::EventFile(folder.path(), 640).scalars(650, {{"loss", 2}}); }
  auto files = files_in(folder.path());
  REQUIRE(files.size() == 2);
  std::ranges::sort(files);
  const auto events = events_of(files[1]);
  REQUIRE(events.size() == 3);
  CHECK(events[1].integers.find(2)->second == 640);
  CHECK(events[1].in(7).integers.find(1)->second == 1);  // SessionLog START
}

TEST_CASE("A record that does not fit on the disk is not begun") {
  const TemporaryFolder folder;
  io::EventFile file(folder.path(), 0);
  const auto path = files_in(folder.path())[0];
  const auto before = std::filesystem::file_size(path);
  {
    const FileSizeLimit limit(before + 100);
    CHECK_THROWS_AS(file.text(0, "config", std::string(1000, 'x')), io::FileError);
  }
  CHECK(std::filesystem::file_size(path) == before);
  file.scalars(1, {{"loss", 1}});
  CHECK(events_of(path).size() == 3);
}
