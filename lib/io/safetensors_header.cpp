// SPDX-License-Identifier: Apache-2.0
#include "io/safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_set>
#include <utility>

#include <nlohmann/json.hpp>

#include "io/file_error.h"

namespace onestep::io {
namespace {

constexpr std::array<std::pair<std::string_view, at::ScalarType>, 10> kDtypes{{
    {"F64", at::kDouble},
    {"F32", at::kFloat},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"I64", at::kLong},
    {"I32", at::kInt},
    {"I16", at::kShort},
    {"I8", at::kChar},
    {"U8", at::kByte},
    {"BOOL", at::kBool},
}};
constexpr size_t kMaxRank = 64;
constexpr std::string_view kMetadata = "__metadata__";

/// The header as a stream of events: nothing is stored but what the format allows, so that a hostile header
/// costs no more memory than its own length, and a name that occurs twice is seen.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  TensorHeader header;
  std::string problem;

  bool start_object(size_t) override {
    if (place_ == Place::outside) return go(Place::top);
    if (place_ == Place::top && key_ == kMetadata) return go(Place::metadata);
    if (place_ == Place::top) {
      header.entries.emplace_back().name = key_;
      fields_ = {};
      return go(Place::tensor);
    }
    return refuse("an object");
  }
  bool end_object() override {
    if (place_ == Place::tensor && !(fields_.dtype && fields_.shape && fields_.offsets))
      return fail("tensor '" + entry().name + "' needs dtype, shape and data_offsets");
    return go(place_ == Place::top ? Place::outside : Place::top);
  }
  bool key(std::string& text) override {
    key_ = text;
    if (place_ == Place::top && !names_.insert(text).second) return fail("'" + text + "' occurs twice");
    if (place_ == Place::metadata && header.metadata.count(text))
      return fail("metadata '" + text + "' occurs twice");
    if (place_ != Place::tensor) return true;
    bool* seen = field(text);
    if (!seen) return fail("tensor '" + entry().name + "' has an unknown field '" + text + "'");
    if (std::exchange(*seen, true)) return fail("tensor '" + entry().name + "' has two of '" + text + "'");
    return true;
  }
  bool string(std::string& text) override {
    if (place_ == Place::metadata) return header.metadata.emplace(key_, text), true;
    if (place_ != Place::tensor || key_ != "dtype") return refuse("a string");
    const auto known =
        std::find_if(kDtypes.begin(), kDtypes.end(), [&](auto& row) { return row.first == text; });
    if (known == kDtypes.end())
      return fail("tensor '" + entry().name + "' has an unsupported dtype '" + text + "'");
    entry().dtype = known->second;
    return true;
  }
  bool start_array(size_t) override {
    if (place_ != Place::tensor || key_ == "dtype") return refuse("an array");
    offsets_seen_ = 0;
    return go(key_ == "shape" ? Place::shape : Place::offsets);
  }
  bool end_array() override {
    if (place_ == Place::offsets && offsets_seen_ != 2) return refuse("an array whose length is not 2");
    return go(Place::tensor);
  }
  bool number_unsigned(uint64_t value) override {
    if (place_ == Place::shape) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return refuse("a huge size");
      if (entry().shape.size() == kMaxRank) return refuse("more than 64 dimensions");
      entry().shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (place_ != Place::offsets) return refuse("a number");
    if (offsets_seen_ == 2) return refuse("an array whose length is not 2");
    (offsets_seen_++ == 0 ? entry().begin : entry().end) = value;
    return true;
  }
  bool number_integer(int64_t) override { return refuse("a negative number"); }
  bool number_float(double, const std::string& text) override {
    return refuse("the number " + text.substr(0, 40));
  }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool null() override { return refuse("null"); }
  bool binary(nlohmann::json::binary_t&) override { return refuse("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    return fail("is not JSON near byte " + std::to_string(position));
  }

 private:
  enum class Place { outside, top, metadata, tensor, shape, offsets };
  struct Fields {
    bool dtype = false, shape = false, offsets = false;
  };

  TensorEntry& entry() { return header.entries.back(); }
  bool* field(const std::string& name) {
    if (name == "dtype") return &fields_.dtype;
    if (name == "shape") return &fields_.shape;
    if (name == "data_offsets") return &fields_.offsets;
    return nullptr;
  }
  bool go(Place place) {
    place_ = place;
    return true;
  }
  bool fail(std::string what) {
    problem = std::move(what);
    return false;
  }
  bool refuse(const std::string& what) {
    const bool in_tensor = place_ == Place::tensor || place_ == Place::shape || place_ == Place::offsets;
    const std::string owner = place_ == Place::outside    ? "the header"
                              : place_ == Place::metadata ? "metadata '" + key_ + "'"
                              : in_tensor                 ? "'" + key_ + "' of tensor '" + entry().name + "'"
                                                          : "'" + key_ + "'";
    return fail(owner + " must not be or hold " + what);
  }

  Place place_ = Place::outside;
  Fields fields_;
  int offsets_seen_ = 0;
  std::string key_;
  std::unordered_set<std::string> names_;
};

/// The bytes of a tensor, or nothing when they (or its strides) overflow int64.
std::optional<uint64_t> byte_count(const TensorEntry& entry) {
  int64_t strides = static_cast<int64_t>(c10::elementSize(entry.dtype));
  bool empty = false;
  for (const int64_t size : entry.shape) {
    empty = empty || size == 0;
    // An empty tensor has strides too: [0, 2^62, 2^62] must not overflow them.
    if (__builtin_mul_overflow(strides, std::max<int64_t>(size, 1), &strides)) return std::nullopt;
  }
  return empty ? 0 : static_cast<uint64_t>(strides);
}

std::string bytes_of(const TensorEntry& entry) {
  return "[" + std::to_string(entry.begin) + ", " + std::to_string(entry.end) + ")";
}

}  // namespace

std::optional<std::string_view> dtype_name(at::ScalarType dtype) {
  for (const auto& [name, type] : kDtypes)
    if (type == dtype) return name;
  return std::nullopt;
}

TensorHeader parse_header(const std::filesystem::path& path, std::string_view json, uint64_t data_bytes) {
  const auto refuse = [&](const std::string& what) { throw FileError(path, "safetensors header: " + what); };
  if (json.empty() || json.front() != '{') refuse("does not start with '{'");
  if (json.find('\0') != std::string_view::npos)
    refuse("is not JSON: it holds a zero byte");  // the parser would stop there
  HeaderEvents events;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &events)) refuse(events.problem);

  std::vector<const TensorEntry*> by_offset;
  for (const TensorEntry& entry : events.header.entries) {
    const auto bytes = byte_count(entry);
    if (!bytes) refuse("the shape of tensor '" + entry.name + "' overflows");
    if (entry.begin > entry.end || entry.end > data_bytes)
      refuse("tensor '" + entry.name + "' lies at bytes " + bytes_of(entry) + " of " +
             std::to_string(data_bytes));
    if (entry.end - entry.begin != *bytes)
      refuse("tensor '" + entry.name + "' lies at bytes " + bytes_of(entry) + " but its shape takes " +
             std::to_string(*bytes));
    by_offset.push_back(&entry);
  }
  std::sort(by_offset.begin(), by_offset.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  uint64_t covered = 0;
  for (const TensorEntry* entry : by_offset) {
    if (entry->begin < covered) refuse("tensor '" + entry->name + "' overlaps another");
    if (entry->begin > covered) refuse("there is a hole before tensor '" + entry->name + "'");
    covered = entry->end;
  }
  if (covered != data_bytes)
    refuse(std::to_string(data_bytes - covered) + " trailing bytes belong to no tensor");
  return std::move(events.header);
}

std::string format_header(const TensorHeader& header) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) json[std::string(kMetadata)] = header.metadata;
  for (const TensorEntry& entry : header.entries)
    json.emplace(entry.name, nlohmann::ordered_json{{"dtype", dtype_name(entry.dtype).value()},
                                                    {"shape", entry.shape},
                                                    {"data_offsets", {entry.begin, entry.end}}});
  std::string text = json.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace onestep::io
