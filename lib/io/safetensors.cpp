// SPDX-License-Identifier: Apache-2.0
#include "io/safetensors.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <set>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <nlohmann/json.hpp>
#include <zlib.h>

#include "io/atomic_file.h"
#include "io/file.h"
#include "io/file_kind.h"
#include "io/safetensors_header.h"
#include "io/tensor_bytes.h"

namespace onestep::io {
namespace {

constexpr const char* kChecksum = "onestep.crc32";               // of the data
constexpr const char* kHeaderChecksum = "onestep.crc32.header";  // of all before the data
// Says that there is a checksum of the header, which older files have not: a file that lost it is damaged.
constexpr const char* kFormat = "onestep.format";
constexpr const char* kFormatNow = "2";
constexpr const char* kBlank = "00000000";  // in the place of the header's own checksum
constexpr size_t kLengthBytes = 8;

// The format is little-endian, as every machine that we build for: data and lengths are copied as they are.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

// zlib answers its start value, not `crc`, for a null pointer: what an empty tensor has.
uLong continue_crc(uLong crc, std::string_view bytes) {
  return bytes.empty() ? crc : crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
}

std::string checksum_text(uLong crc) {
  char text[9];
  std::snprintf(text, sizeof text, "%08lx", crc);
  return text;
}

/// The length and the text of a header in which its own checksum is blank, and where that stands; nothing
/// where the text does not say it as our writer does.
struct Blanked {
  std::string bytes;
  size_t place;
};
std::optional<Blanked> blanked(uint64_t length, std::string_view text) {
  const std::string start = "\"" + std::string(kHeaderChecksum) + "\":\"";
  const size_t found = text.find(start);
  const size_t place = found + start.size();
  if (found == std::string_view::npos || place + std::strlen(kBlank) > text.size()) return std::nullopt;
  Blanked blank{std::string(reinterpret_cast<const char*>(&length), sizeof length), sizeof length + place};
  blank.bytes.append(text).replace(blank.place, std::strlen(kBlank), kBlank);
  return blank;
}

void verify_header(const std::filesystem::path& path, TensorHeader& header, std::string_view text) {
  const auto format = header.metadata.extract(kFormat), stored = header.metadata.extract(kHeaderChecksum);
  if (format.empty() && stored.empty()) return;
  if (!format.empty() && format.mapped() != kFormatNow)
    throw FileError(path, "has format " + format.mapped().substr(0, 40) +
                              ", and 2 is the newest known: it is "
                              "from a newer OneStep, or damaged");
  const auto blank = blanked(text.size(), text);
  if (format.empty() || stored.empty() || !blank ||
      stored.mapped() != checksum_text(continue_crc(0, blank->bytes)))
    throw FileError(path, "the checksum of the header is wrong: the file is damaged, or was changed by hand");
}

struct Parsed {
  TensorHeader header;
  size_t data_begin;
};

Parsed parse(const std::filesystem::path& path, const MappedFile& file) {
  if (file.size() < kLengthBytes) throw FileError(path, "is too short to be a safetensors file");
  uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  const size_t rest = file.size() - kLengthBytes;
  if (length > kMaxHeaderBytes || length > rest)
    throw FileError(path, is_safetensors(file.bytes())
                              ? "is truncated: its header takes " + std::to_string(length) +
                                    " bytes, of which " + std::to_string(rest) + " are there"
                              : "is not a safetensors file, or is truncated: its header would take " +
                                    std::to_string(length) + " of " + std::to_string(rest) + " bytes" +
                                    instead(file.bytes()));
  const std::string_view text = file.bytes().substr(kLengthBytes, length);
  Parsed parsed{parse_header(path, text, rest - length), kLengthBytes + length};
  verify_header(path, parsed.header, text);
  return parsed;
}

void verify_checksum(const std::filesystem::path& path, TensorHeader& header, std::string_view data) {
  const auto stored = header.metadata.extract(kChecksum);
  if (stored.empty()) return;
  const uLong crc = continue_crc(0, data);
  if (stored.mapped() != checksum_text(crc))
    throw FileError(path, "checksum " + checksum_text(crc) + " of the data differs from the stored one (" +
                              stored.mapped().substr(0, 40) + "): the file is damaged");
}

at::Tensor view_of(const TensorEntry& entry, char* start, const std::shared_ptr<MappedFile>& file) {
  const auto size = static_cast<size_t>(entry.end - entry.begin);
  const bool aligned = reinterpret_cast<uintptr_t>(start) % c10::elementSize(entry.dtype) == 0;
  if (aligned && size > 0)
    return at::from_blob(
        start, entry.shape, [file](void*) {}, entry.dtype);
  at::Tensor copy = at::empty(entry.shape, entry.dtype);
  if (size > 0) std::memcpy(copy.mutable_data_ptr(), start, size);
  return copy;
}

}  // namespace

bool TensorFile::has(const std::string& name) const {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const auto& tensor) { return tensor.first == name; });
}

const at::Tensor& TensorFile::at(const std::string& name) const {
  for (const auto& [key, tensor] : tensors)
    if (key == name) return tensor;
  throw FileError(path, "has no tensor '" + name + "'");
}

TensorFile read_safetensors(const std::filesystem::path& path, Checksum checksum) {
  const auto file = std::make_shared<MappedFile>(path);
  auto [header, data_begin] = parse(path, *file);
  if (checksum == Checksum::verified) verify_checksum(path, header, file->bytes().substr(data_begin));
  header.metadata.erase(kChecksum);

  TensorFile result{{}, std::move(header.metadata), path};
  for (TensorEntry& entry : header.entries) {
    char* start = file->data() + data_begin + entry.begin;
    // Any other byte in a bool is undefined behaviour for whoever reads it.
    if (entry.dtype == at::kBool && std::any_of(start, start + (entry.end - entry.begin),
                                                [](char byte) { return byte != 0 && byte != 1; }))
      throw FileError(path, "tensor '" + entry.name + "' is BOOL but holds bytes other than 0 and 1");
    at::Tensor tensor = view_of(entry, start, file);
    result.tensors.emplace_back(std::move(entry.name), std::move(tensor));
  }
  return result;
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  const MappedFile file(path);
  auto metadata = parse(path, file).header.metadata;
  metadata.erase(kChecksum);
  return metadata;
}

std::set<std::string> safetensors_names(const std::filesystem::path& path) {
  const MappedFile file(path);
  std::set<std::string> names;
  for (TensorEntry& entry : parse(path, file).header.entries) names.insert(std::move(entry.name));
  return names;
}

void write_safetensors(const std::filesystem::path& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  TensorHeader header{{}, metadata};
  std::vector<at::Tensor> host;
  std::set<std::string> names{"__metadata__"};
  uint64_t offset = 0;
  uLong crc = 0;
  for (const auto& [name, tensor] : tensors) {
    TORCH_CHECK(tensor.defined(), "write_safetensors: tensor '", name, "' is undefined");
    TORCH_CHECK(dtype_name(tensor.scalar_type()), "write_safetensors: tensor '", name, "' has dtype ",
                tensor.scalar_type(), ", which the format or OneStep does not know");
    TORCH_CHECK(names.insert(name).second, "write_safetensors: the name '", name,
                "' is reserved or given twice");
    host.push_back(tensor.detach().to(at::kCPU).resolve_neg().contiguous());
    const std::string_view bytes = bytes_of(host.back());
    header.entries.push_back(
        {name, tensor.scalar_type(), tensor.sizes().vec(), offset, offset + bytes.size()});
    offset += bytes.size();
    crc = continue_crc(crc, bytes);
  }
  header.metadata[kChecksum] = checksum_text(crc);
  header.metadata[kFormat] = kFormatNow;
  header.metadata[kHeaderChecksum] = kBlank;

  std::string text;
  try {
    text = format_header(header);
  } catch (const nlohmann::json::exception&) {
    throw FileError(path, "cannot be written: a tensor name or the metadata is not UTF-8");
  }
  const uint64_t length = text.size();
  if (length > kMaxHeaderBytes) throw FileError(path, "cannot be written: names and metadata exceed 100 MiB");
  Blanked start = blanked(length, text).value();
  const std::string checksum = checksum_text(continue_crc(0, start.bytes));
  start.bytes.replace(start.place, checksum.size(), checksum);

  AtomicFile file(path);
  file.write(start.bytes);
  for (const at::Tensor& tensor : host) file.write(bytes_of(tensor));
  file.commit();
}

}  // namespace onestep::io
