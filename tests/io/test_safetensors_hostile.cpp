// SPDX-License-Identifier: Apache-2.0
// Files that lie, and files that were hurt.
#include <string_view>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "io/safetensors.h"
#include "io/safetensors_text.h"
#include "temporary_folder.h"

using namespace onestep::io;
using Catch::Contains;

namespace {

std::string problem(const TemporaryFolder& folder, const std::string& bytes) {
  write_bytes(folder / "bad", bytes);
  return file_error([&] { read_safetensors(folder / "bad"); });
}

/// Draw `i` of a fixed sequence (SplitMix64): case i is the same on every machine and run.
uint64_t draw(uint64_t i) {
  i = (i + 1) * 0x9e3779b97f4a7c15;
  i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9;
  i = (i ^ i >> 27) * 0x94d049bb133111eb;
  return i ^ i >> 31;
}

std::string example(const TemporaryFolder& folder) {
  write_safetensors(folder / "example",
                    {{"a.weight", at::arange(6, at::kFloat).reshape({2, 3})},
                     {"flag", at::zeros({3}, at::kBool)},
                     {"empty", at::zeros({0, 2})},
                     {"step", at::arange(2)}},
                    {{"onestep.network", R"({"kind": "test"})"}});
  return read_bytes(folder / "example");
}

/// The raw bytes of all tensors; "" when the file is refused. Anything but FileError ends the test.
std::string content(const std::filesystem::path& path) {
  try {
    std::string bytes;
    for (const auto& [name, tensor] : read_safetensors(path).tensors)
      bytes.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
    return bytes;
  } catch (const FileError&) {
    return "";
  }
}

}  // namespace

TEST_CASE("safetensors: headers that lie are refused by name of what is wrong") {
  const TemporaryFolder folder;
  const std::string four(4, '\0'), eight(8, '\0');
  const auto one = [](const std::string& fields) { return R"({"x":{)" + fields + "}}"; };
  struct Case {
    std::string header, data, expected;
  };
  const std::vector<Case> cases{
      // structure
      {"[]", "", "does not start with '{'"},
      {"\xef\xbb\xbf{}", "", "does not start with '{'"},
      {" {}", "", "does not start with '{'"},
      {"{", "", "is not JSON"},
      {"{} x", "", "is not JSON"},
      {std::string("{}\0", 3), "", "is not JSON"},
      {"{\"\xff\":{}}", "", "is not JSON"},
      {R"({"x":1})", "", "'x' must not be or hold a number"},
      {R"({"x":null})", "", "'x' must not be or hold null"},
      {R"({"x":[[]]})", "", "'x' must not be or hold an array"},
      {R"({"x":{}})", "", "tensor 'x' needs dtype, shape and data_offsets"},
      {one(R"("dtype":"F32","shape":[1])"), four, "needs dtype, shape and data_offsets"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1])"), four,
       "unknown field 'strides'"},
      {one(R"("dtype":{"x":{}})"), four, "'dtype' of tensor 'x' must not be or hold an object"},
      // duplicates
      {R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
       four, "'x' occurs twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", "", "'__metadata__' occurs twice"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", "", "metadata 'a' occurs twice"},
      {one(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])"), four, "two of 'dtype'"},
      {one(R"("dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4])"), four, "two of 'shape'"},
      // metadata
      {R"({"__metadata__":{"a":1}})", "", "metadata 'a' must not be or hold a number"},
      {R"({"__metadata__":{"a":{"b":"c"}}})", "", "metadata 'a' must not be or hold an object"},
      {R"({"__metadata__":"a"})", "", "'__metadata__' must not be or hold a string"},
      // dtype
      {one(R"("dtype":"F33","shape":[1],"data_offsets":[0,4])"), four, "unsupported dtype 'F33'"},
      {one(R"("dtype":"f32","shape":[1],"data_offsets":[0,4])"), four, "unsupported dtype 'f32'"},
      {one(R"("dtype":"","shape":[1],"data_offsets":[0,4])"), four, "unsupported dtype ''"},
      {one(R"("dtype":4,"shape":[1],"data_offsets":[0,4])"), four,
       "'dtype' of tensor 'x' must not be or hold a number"},
      // shape
      {one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), four,
       "'shape' of tensor 'x' must not be or hold a negative number"},
      {one(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), four, "the number 1.0"},
      {one(R"("dtype":"F32","shape":[1e0],"data_offsets":[0,4])"), four, "the number 1e0"},
      {one(R"("dtype":"F32","shape":["1"],"data_offsets":[0,4])"), four, "a string"},
      {one(R"("dtype":"F32","shape":[[1]],"data_offsets":[0,4])"), four, "an array"},
      {one(R"("dtype":"F32","shape":1,"data_offsets":[0,4])"), four, "a number"},
      {one(R"("dtype":"F32","shape":[true],"data_offsets":[0,4])"), four, "a boolean"},
      {one(R"("dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4])"), four, "a huge size"},
      {one(R"("dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4])"), four,
       "the number 99999999999999999999"},
      {one(R"("dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4])"), four, "overflows"},
      // 2^32 · 2^32 · 4 bytes is 0 modulo 2^64
      {one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"), "", "overflows"},
      {one(R"("dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0])"), "", "overflows"},
      {one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), four, "bytes [0, 4) but its shape takes 8"},
      {one(R"("dtype":"F64","shape":[1],"data_offsets":[0,4])"), four, "bytes [0, 4) but its shape takes 8"},
      {one(R"("dtype":"F32","shape":[0],"data_offsets":[0,4])"), four, "bytes [0, 4) but its shape takes 0"},
      // offsets
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), four, "an array whose length is not 2"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[])"), four, "an array whose length is not 2"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,4])"), four, "an array whose length is not 2"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[-4,0])"), four, "a negative number"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), four, "lies at bytes [4, 0) of 4"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])"), four, "lies at bytes [0, 8) of 4"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,0])"), four, "lies at bytes"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), eight, "hole before tensor 'x'"},
      {one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), eight, "4 trailing bytes"},
      {"{}", four, "4 trailing bytes"},
      {R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       std::string(6, '\0'), "tensor 'y' overlaps another"},
      {R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[3],"data_offsets":[3,6]}})",
       std::string(6, '\0'), "tensor 'y' overlaps another"},
      {R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
       four, "overlaps another"},
      {R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})",
       four, "hole before tensor 'y'"},
      {R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"e":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
       four, "tensor 'e' overlaps another"},
      // data
      {one(R"("dtype":"BOOL","shape":[4],"data_offsets":[0,4])"), std::string("\0\1\2\0", 4),
       "bytes other than 0 and 1"},
      {R"({"__metadata__":{"onestep.crc32":"00000000"},"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
       four, "checksum 2144df1c of the data differs from the stored one (00000000)"},
  };
  for (const Case& one_case : cases) {
    INFO(one_case.header);
    CHECK_THAT(problem(folder, safetensors_text(one_case.header, one_case.data)),
               Contains((folder / "bad").string() + ": ") && Contains(one_case.expected));
  }
}

TEST_CASE("safetensors: what looks odd but is right is read") {
  const TemporaryFolder folder;
  // Header order other than data order, fields in any order, spaces, an empty tensor at a boundary.
  write_bytes(folder / "a", safetensors_text(R"({ "late":{"shape":[2],"data_offsets":[1,3],"dtype":"U8"},)"
                                             R"("none":{"dtype":"I64","shape":[5,0],"data_offsets":[1,1]},)"
                                             R"("early":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}   )",
                                             "\1\2\3"));
  const TensorFile file = read_safetensors(folder / "a");
  CHECK(file.tensors[0].first == "late");
  CHECK(file.at("late")[1].item<int>() == 3);
  CHECK(file.at("early").item<int>() == 1);
  CHECK(file.at("none").sizes() == at::IntArrayRef({5, 0}));
}

TEST_CASE("safetensors: header lengths that lie") {
  const TemporaryFolder folder;
  for (const uint64_t length :
       {uint64_t{3}, uint64_t{1000}, uint64_t{1} << 40, ~uint64_t{0}, ~uint64_t{0} - 7}) {
    INFO(length);
    CHECK_THAT(problem(folder, safetensors_text(length, "{}", "")), Contains("header would take"));
  }
  CHECK_THAT(problem(folder, safetensors_text(1000, "{\"a\": 1}", "")),
             Contains("is truncated: its header takes 1000 bytes, of which 8 are there"));
  CHECK_THAT(problem(folder, safetensors_text(0, "", "")), Contains("does not start with '{'"));
  CHECK_THAT(problem(folder, ""), Contains("is too short"));
  CHECK_THAT(problem(folder, "1234567"), Contains("is too short"));
  // More than 100 MiB of header in a file that has them: refused before a byte of it is parsed.
  write_bytes(folder / "bad", safetensors_text((uint64_t{100} << 20) + 1, "{}", ""));
  std::filesystem::resize_file(folder / "bad", uint64_t{200} << 20);
  CHECK_THAT(file_error([&] { read_safetensors(folder / "bad"); }), Contains("header would take"));
}

TEST_CASE("safetensors: deep nesting and long lists cost neither stack nor memory") {
  const TemporaryFolder folder;
  const std::string deep(1 << 20, '[');
  std::string nested, sizes = "0";
  for (int i = 0; i < 100000; ++i) nested += R"({"a":)";
  for (int i = 0; i < 100000; ++i) sizes += ",0";
  CHECK(problem(folder, safetensors_text(R"({"x":)" + deep, "")) != "");
  CHECK(problem(folder, safetensors_text(nested, "")) != "");
  CHECK_THAT(
      problem(folder, safetensors_text(
                          R"({"x":{"dtype":"U8","shape":[)" + sizes + R"(],"data_offsets":[0,0]}})", "")),
      Contains("more than 64 dimensions"));
}

TEST_CASE("safetensors: a file cut at any length is refused") {
  const TemporaryFolder folder;
  const std::string whole = example(folder);
  for (size_t length = 0; length < whole.size(); ++length) {
    INFO(length);
    REQUIRE(problem(folder, whole.substr(0, length)) != "");
  }
  CHECK(problem(folder, whole) == "");
  CHECK_THAT(problem(folder, whole + '\0'), Contains("1 trailing bytes"));
}

TEST_CASE("safetensors: a file with any one byte changed is refused or holds the same data") {
  const TemporaryFolder folder;
  const std::string whole = example(folder), expected = content(folder / "example");
  REQUIRE(expected.size() == 6 * 4 + 3 + 2 * 8);
  size_t refused = 0;
  for (uint64_t i = 0; i < 4000; ++i) {
    std::string bytes = whole;
    const size_t place = draw(2 * i) % bytes.size();
    // Half of the cases flip one bit, the others write any byte.
    const auto other = draw(2 * i + 1);
    bytes[place] = static_cast<char>(i % 2 ? bytes[place] ^ (1 << other % 8) : other);
    write_bytes(folder / "bad", bytes);
    const std::string read = content(folder / "bad");
    INFO("case " << i << ", byte " << place);
    REQUIRE((read.empty() || read == expected));
    refused += read.empty();
  }
  CHECK(refused > 2000);
}

TEST_CASE("safetensors: files cut, doubled and patched at random never crash the reader") {
  const TemporaryFolder folder;
  const std::string whole = example(folder);
  for (uint64_t i = 0; i < 4000; ++i) {
    std::string bytes = whole;
    for (uint64_t edit = 0, edits = 1 + draw(i) % 4; edit < edits; ++edit) {
      const uint64_t key = 1000003 * (i + 1) + 16 * edit;
      const size_t from = draw(key) % bytes.size(), length = 1 + draw(key + 1) % 16,
                   to = draw(key + 2) % bytes.size();
      const std::string piece = bytes.substr(from, length);
      switch (draw(key + 3) % 3) {
        case 0:
          bytes.erase(to, std::min(length, bytes.size() - 1));
          break;
        case 1:
          bytes.insert(to, piece);
          break;
        default:
          bytes.replace(to, std::min(piece.size(), bytes.size() - to), piece);
          break;
      }
      if (bytes.empty()) bytes = "x";
      // Keep the header length right in half of the cases, so that the damage gets past the first check.
      if (i % 2 && bytes.size() > 16) bytes.replace(0, 8, whole.substr(0, 8));
    }
    write_bytes(folder / "bad", bytes);
    content(folder / "bad");
  }
  SUCCEED();
}
