// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "io/file_size_limit.h"
#include "io/safetensors.h"
#include "io/safetensors_text.h"
#include "temporary_folder.h"

using namespace onestep::io;
using Catch::Contains;
using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

TEST_CASE("safetensors: every dtype comes back bit for bit, in order, with its shape") {
  const TemporaryFolder folder;
  Tensors tensors;
  // bool first: what follows is misaligned and takes the copying path.
  for (const auto dtype : {at::kBool, at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                           at::kShort, at::kChar, at::kByte})
    tensors.emplace_back(std::string("t.") + c10::toString(dtype),
                         (at::arange(-3, 6).reshape({3, 1, 3}) * 1.25).to(dtype));
  write_safetensors(folder / "a", tensors);
  const TensorFile file = read_safetensors(folder / "a");
  REQUIRE(file.tensors.size() == tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    INFO(tensors[i].first);
    CHECK(file.tensors[i].first == tensors[i].first);
    const at::Tensor &read = file.tensors[i].second, &written = tensors[i].second;
    CHECK(read.scalar_type() == written.scalar_type());
    CHECK(read.sizes() == written.sizes());
    CHECK(reinterpret_cast<uintptr_t>(read.const_data_ptr()) % read.element_size() == 0);
    CHECK(std::memcmp(read.const_data_ptr(), written.const_data_ptr(), written.nbytes()) == 0);
  }
}

TEST_CASE("safetensors: NaN, infinities and negative zero keep their bits") {
  const TemporaryFolder folder;
  const double inf = std::numeric_limits<double>::infinity();
  const at::Tensor values = at::tensor({std::numeric_limits<double>::quiet_NaN(), inf, -inf, -0.0, 5e-324});
  write_safetensors(folder / "a", {{"x", values}});
  const at::Tensor read = read_safetensors(folder / "a").at("x");
  CHECK(std::memcmp(read.const_data_ptr(), values.const_data_ptr(), values.nbytes()) == 0);
}

TEST_CASE("safetensors: 0-d and empty tensors, also between others, and no tensors at all") {
  const TemporaryFolder folder;
  // An empty tensor between others must not restart the checksum.
  write_safetensors(folder / "a", {{"scalar", at::full({}, 2.5)},
                                   {"empty", at::zeros({0, 3})},
                                   {"more", at::arange(4)},
                                   {"none", at::zeros({2, 0, 5}, at::kByte)}});
  const TensorFile file = read_safetensors(folder / "a");
  CHECK(file.at("scalar").dim() == 0);
  CHECK(file.at("scalar").item<double>() == 2.5);
  CHECK(file.at("empty").sizes() == at::IntArrayRef({0, 3}));
  CHECK(file.at("none").sizes() == at::IntArrayRef({2, 0, 5}));
  CHECK(file.at("more").equal(at::arange(4)));
  write_safetensors(folder / "b", {});
  CHECK(read_safetensors(folder / "b").tensors.empty());
}

TEST_CASE("safetensors: strides and autograd do not matter to the writer") {
  const TemporaryFolder folder;
  const at::Tensor base = at::arange(24, at::kFloat).reshape({4, 6});
  const at::Tensor strided = base.t().slice(0, 1, 6, 2), learnt = base.clone().requires_grad_(true);
  write_safetensors(folder / "a", {{"strided", strided}, {"learnt", learnt}});
  const TensorFile file = read_safetensors(folder / "a");
  CHECK(file.at("strided").equal(strided));
  CHECK(file.at("strided").is_contiguous());
  CHECK(file.at("learnt").equal(base));
  CHECK_FALSE(file.at("learnt").requires_grad());
}

TEST_CASE("safetensors: metadata comes back as it was, any UTF-8 and any length") {
  const TemporaryFolder folder;
  const std::map<std::string, std::string> metadata{
      {"onestep.network", R"({"kind": "gaussian_mixture"})"}, {"σ", "½ \"quoted\" \n"}, {"", ""}};
  write_safetensors(folder / "a", {{"x", at::arange(3)}}, metadata);
  CHECK(read_safetensors(folder / "a").metadata == metadata);
  CHECK(read_safetensors_metadata(folder / "a") == metadata);
}

TEST_CASE("safetensors: tensors outlive the TensorFile, and writing to them leaves the file alone") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"x", at::arange(1000)}, {"y", at::arange(5)}});
  const std::string before = read_bytes(folder / "a");
  at::Tensor x = read_safetensors(folder / "a").at("x");
  x.add_(1);
  CHECK(x.equal(at::arange(1, 1001)));
  CHECK(read_bytes(folder / "a") == before);
  write_safetensors(folder / "a", {{"x", at::zeros({1000})}});
  CHECK(x.equal(at::arange(1, 1001)));
}

TEST_CASE("safetensors: the bytes are the specification's, and a function of the arguments alone") {
  const TemporaryFolder folder;
  const Tensors tensors{{"b", at::tensor({1.0F})}, {"a", at::tensor({int64_t{7}})}};
  write_safetensors(folder / "1", tensors, {{"k", "v"}});
  write_safetensors(folder / "2", tensors, {{"k", "v"}});
  const std::string bytes = read_bytes(folder / "1");
  CHECK(bytes == read_bytes(folder / "2"));
  // CRC-32 of 0000803f 0700000000000000, and of the header with zeros in the place of its own, computed by
  // another implementation.
  std::string header =
      R"({"__metadata__":{"k":"v","onestep.crc32":"669dc974","onestep.crc32.header":"6b8350d1","onestep.format":"2"},)"
      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("a":{"dtype":"I64","shape":[1],"data_offsets":[4,12]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(bytes == safetensors_text(header, std::string("\0\0\x80\x3f\x07\0\0\0\0\0\0\0", 12)));
}

TEST_CASE("safetensors: a file of the reference writer, without our checksum") {
  const TensorFile file = read_safetensors(ONESTEP_GOLDEN "/losses/fastgen_vsd.safetensors");
  REQUIRE(file.tensors.size() == 5);
  CHECK(file.has("gen_data"));
  CHECK(file.at("gen_data").sizes() == at::IntArrayRef({4, 3, 8, 8}));
  // Values as the reference reader gives them.
  const auto first = [&](const char* name) { return file.at(name).flatten()[0].item<float>(); };
  const auto last = [&](const char* name) { return file.at(name).flatten()[-1].item<float>(); };
  CHECK(first("fake_score_x0") == -0x1.6a90b6p-4F);
  CHECK(last("fake_score_x0") == -0x1.ebcedp-2F);
  CHECK(first("teacher_x0") == 0x1.728582p+0F);
  CHECK(last("teacher_x0") == 0x1.b9a362p-4F);
  CHECK(first("loss") == 0x1.d3b352p-2F);
  CHECK(file.metadata.count("case") == 1);
}

TEST_CASE("safetensors: what is missing is named") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"x", at::arange(3)}});
  const TensorFile file = read_safetensors(folder / "a");
  CHECK_FALSE(file.has("y"));
  CHECK(file_error([&] { file.at("y"); }) == (folder / "a").string() + ": has no tensor 'y'");
  CHECK_THAT(file_error([&] { read_safetensors(folder / "none"); }), Contains("No such file"));
}

TEST_CASE("safetensors: a changed byte of the data is recognised") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"x", at::arange(100)}});
  std::string bytes = read_bytes(folder / "a");
  bytes[bytes.size() - 13] ^= 0x10;
  write_bytes(folder / "a", bytes);
  CHECK_THAT(file_error([&] { read_safetensors(folder / "a"); }),
             Contains("checksum") && Contains("damaged"));
}

TEST_CASE("safetensors: any one bit that is changed is recognised, also by who reads the metadata alone") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"x", at::arange(3)}, {"y", at::arange(2).to(at::kBool)}},
                    {{"onestep.network", R"({"sigma_data": 0.7})"}, {"text", "a\"b"}});
  const std::string whole = read_bytes(folder / "a");
  uint64_t header = 0;
  std::memcpy(&header, whole.data(), 8);
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    CAPTURE(bit, whole.substr(bit / 8, 20));
    std::string bytes = whole;
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    write_bytes(folder / "b", bytes);
    CHECK(!file_error([&] { read_safetensors(folder / "b"); }).empty());
    if (bit / 8 < 8 + header) {
      CHECK(!file_error([&] { read_safetensors_metadata(folder / "b"); }).empty());
      CHECK(!file_error([&] { safetensors_names(folder / "b"); }).empty());
    }
  }
}

TEST_CASE(
    "safetensors: a file from before there was a checksum of the header is read, one from later is not") {
  const TemporaryFolder folder;
  const auto read = [&](const std::string& metadata) {
    std::string header = R"({"__metadata__":{"k":"v")" + metadata +
                         R"(},"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
    write_bytes(folder / "a", safetensors_text(header, "ab"));
    return read_safetensors(folder / "a").metadata;
  };
  CHECK(read(R"(,"onestep.crc32":"9e83486d")") == std::map<std::string, std::string>{{"k", "v"}});
  CHECK_THAT(file_error([&] { read(R"(,"onestep.format":"3")"); }), Contains("from a newer OneStep"));
  for (const char* half : {R"(,"onestep.format":"2")", R"(,"onestep.crc32.header":"00000000")"})
    CHECK_THAT(file_error([&] { read(half); }), Contains("checksum of the header is wrong"));
}

TEST_CASE("safetensors: arguments that make no file") {
  const TemporaryFolder folder;
  const at::Tensor x = at::arange(3);
  CHECK_THROWS_WITH(write_safetensors(folder / "a", {{"x", at::Tensor()}}), Contains("'x' is undefined"));
  CHECK_THROWS_WITH(write_safetensors(folder / "a", {{"x", x}, {"x", x}}), Contains("given twice"));
  CHECK_THROWS_WITH(write_safetensors(folder / "a", {{"__metadata__", x}}), Contains("reserved"));
  CHECK_THROWS_WITH(write_safetensors(folder / "a", {{"c", x.to(at::kComplexFloat)}}),
                    Contains("ComplexFloat"));
  CHECK_THAT(file_error([&] { write_safetensors(folder / "a", {{"\xff", x}}); }), Contains("is not UTF-8"));
  CHECK(folder.entries() == 0);
}

TEST_CASE("safetensors: a write that fails leaves the old file and nothing else") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"x", at::arange(3)}});
  {
    const FileSizeLimit full(4096);
    CHECK_THAT(file_error([&] {
                 write_safetensors(folder / "a", {{"x", at::zeros({10000})}});
               }),
               Contains("File too large"));
  }
  CHECK(read_safetensors(folder / "a").at("x").equal(at::arange(3)));
  CHECK(folder.entries() == 1);
  CHECK_THAT(file_error([&] { write_safetensors((folder / "a") / "b", {}); }), Contains("Not a directory"));
}
