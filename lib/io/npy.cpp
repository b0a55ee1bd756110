// SPDX-License-Identifier: Apache-2.0
#include "io/npy.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>

namespace onestep::io {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr uint64_t kMaxHeader = 1 << 16;
constexpr size_t kMaxRank = 64;
constexpr std::array<std::pair<std::string_view, at::ScalarType>, 9> kDtypes{{
    {"f2", at::kHalf},
    {"f4", at::kFloat},
    {"f8", at::kDouble},
    {"i1", at::kChar},
    {"i2", at::kShort},
    {"i4", at::kInt},
    {"i8", at::kLong},
    {"u1", at::kByte},
    {"b1", at::kBool},
}};

struct Header {
  std::string descr;
  bool fortran = false;
  std::vector<int64_t> shape;
};

/// The header is a Python dictionary, {'descr': '<f8', 'fortran_order': False, 'shape': (8, 8), }: just that
/// is read.
class HeaderText {
 public:
  explicit HeaderText(std::string_view text) : text_(text) {}

  Header read() {
    Header header;
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !std::exchange(descr, true))
        header.descr = dtype();
      else if (key == "fortran_order" && !std::exchange(order, true))
        header.fortran = boolean();
      else if (key == "shape" && !std::exchange(shape, true))
        header.shape = tuple();
      else
        refuse();
      if (!accept(',') && peek() != '}') refuse();
    }
    if (!(descr && order && shape) || peek() != '\0') refuse();
    return header;
  }

 private:
  [[noreturn]] static void refuse() { throw NpyError("has a damaged array header"); }

  char peek() {
    text_.remove_prefix(std::min(text_.find_first_not_of(" \n"), text_.size()));
    return text_.empty() ? '\0' : text_.front();
  }
  bool accept(char c) {
    if (peek() != c || text_.empty()) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) refuse();
  }
  std::string quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') refuse();
    const size_t end = text_.find(quote, 1);
    if (end == std::string_view::npos) refuse();
    std::string result(text_.substr(1, end - 1));
    text_.remove_prefix(end + 1);
    return result;
  }
  std::string dtype() {
    if (peek() == '[') throw NpyError("has a structured dtype, which is not supported");
    return quoted();
  }
  bool boolean() {
    peek();
    for (const auto& [word, value] : {std::pair{std::string_view("True"), true}, {"False", false}})
      if (text_.substr(0, word.size()) == word) {
        text_.remove_prefix(word.size());
        return value;
      }
    refuse();
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      if (sizes.size() == kMaxRank) refuse();
      sizes.push_back(integer());
      if (!accept(',') && peek() != ')') refuse();
    }
    return sizes;
  }
  int64_t integer() {
    int64_t value = 0;
    if (peek() < '0' || peek() > '9') refuse();
    for (; !text_.empty() && text_[0] >= '0' && text_[0] <= '9'; text_.remove_prefix(1))
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text_[0] - '0', &value))
        refuse();
    return value;
  }

  std::string_view text_;
};

struct Dtype {
  at::ScalarType type;
  bool swapped;  // big-endian
};

Dtype parse_dtype(const std::string& descr) {
  const char order = descr.empty() ? '\0' : descr[0];
  const std::string_view code = std::string_view(descr).substr(descr.empty() ? 0 : 1);
  for (const auto& [name, type] : kDtypes) {
    const bool one_byte = name[1] == '1';
    if (name == code && (order == '<' || order == '>' || (order == '|' && one_byte)))
      return {type, order == '>' && !one_byte};
  }
  if (code.substr(0, 1) == "O") throw NpyError("is an array of Python objects, which is never loaded");
  throw NpyError("has dtype '" + descr.substr(0, 40) +
                 "'; float16/32/64, int8/16/32/64, uint8 or bool is expected");
}

uint64_t byte_count(const std::vector<int64_t>& shape, size_t item) {
  int64_t bytes = static_cast<int64_t>(item);
  bool empty = false;
  for (const int64_t size : shape) {
    empty = empty || size == 0;
    if (__builtin_mul_overflow(bytes, std::max<int64_t>(size, 1), &bytes))
      throw NpyError("has an overflowing shape");
  }
  return empty ? 0 : static_cast<uint64_t>(bytes);
}

}  // namespace

at::Tensor read_npy(uint64_t size, const ReadBytes& read) {
  unsigned char start[12];
  uint64_t used = 10;
  if (size < used) throw NpyError("is no NumPy array");
  read(start, used);
  if (std::memcmp(start, kMagic.data(), kMagic.size()) != 0) throw NpyError("is no NumPy array");
  const int version = start[6];
  if (version < 1 || version > 3) throw NpyError("has the unknown NumPy format " + std::to_string(version));
  uint64_t length = start[8] | uint64_t{start[9]} << 8;
  if (version > 1) {
    if (size < 12) throw NpyError("is truncated");
    read(start + 10, 2);
    used = 12;
    length |= uint64_t{start[10]} << 16 | uint64_t{start[11]} << 24;
  }
  if (length > kMaxHeader || length > size - used) throw NpyError("has a damaged array header");
  std::string text(length, '\0');
  read(text.data(), length);
  used += length;

  const Header header = HeaderText(text).read();
  const auto [type, swapped] = parse_dtype(header.descr);
  const size_t item = c10::elementSize(type);
  const uint64_t bytes = byte_count(header.shape, item);
  if (bytes != size - used)
    throw NpyError("holds " + std::to_string(size - used) + " bytes of data but its shape takes " +
                   std::to_string(bytes));

  // Fortran order is C order of the reversed shape, transposed.
  std::vector<int64_t> stored = header.shape;
  if (header.fortran) std::reverse(stored.begin(), stored.end());
  at::Tensor tensor = at::empty(stored, type);
  char* data = static_cast<char*>(tensor.mutable_data_ptr());
  if (bytes > 0) read(data, bytes);
  if (swapped)
    for (uint64_t i = 0; i < bytes; i += item) std::reverse(data + i, data + i + item);
  if (type == at::kBool && std::any_of(data, data + bytes, [](char byte) { return byte != 0 && byte != 1; }))
    throw NpyError("is bool but holds bytes other than 0 and 1");
  if (!header.fortran) return tensor;
  std::vector<int64_t> axes(stored.size());
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(axes.size() - 1 - i);
  return tensor.permute(axes).contiguous();
}

std::string npy_bytes(const at::Tensor& tensor) {
  const auto dtype = std::ranges::find(kDtypes, tensor.scalar_type(), &decltype(kDtypes)::value_type::second);
  TORCH_CHECK(dtype != kDtypes.end(), "npy_bytes: no file of dtype ", tensor.scalar_type());
  std::string header = std::string("{'descr': '") + (tensor.element_size() == 1 ? '|' : '<');
  header.append(dtype->first).append("', 'fortran_order': False, 'shape': (");
  for (const int64_t size : tensor.sizes()) header += std::to_string(size) + ", ";
  header += "), }";
  constexpr size_t kPrefix = 10, kAlignment = 64;  // magic, version and length; where the data has to begin
  header.append(kAlignment - 1 - (kPrefix + header.size()) % kAlignment, ' ');
  header += '\n';
  TORCH_CHECK(header.size() < 65536, "npy_bytes: too many dimensions");
  std::string bytes = std::string("\x93NUMPY\x01", 7) + '\0';
  bytes += static_cast<char>(header.size() & 0xFF);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  const at::Tensor data = tensor.detach().to(at::kCPU).contiguous();
  return bytes.append(static_cast<const char*>(data.const_data_ptr()), data.nbytes());
}

}  // namespace onestep::io
