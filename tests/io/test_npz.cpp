// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>
#include <zip.h>

#include "io/npy.h"
#include "io/npz.h"
#include "io/safetensors.h"
#include "temporary_folder.h"

using namespace onestep::io;
using Catch::Contains;

namespace {

const std::filesystem::path kGolden = ONESTEP_GOLDEN "/npz";

std::string npy(const std::string& header, const std::string& data, int version = 1) {
  std::string bytes("\x93NUMPY", 6);
  bytes += static_cast<char>(version);
  bytes += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
    bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes + header + data;
}

std::string dictionary(const std::string& descr, const std::string& shape,
                       const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

at::Tensor parse(const std::string& bytes) {
  size_t used = 0;
  return read_npy(bytes.size(), [&](void* to, size_t size) {
    REQUIRE(size <= bytes.size() - used);  // never asks for more than there is
    std::memcpy(to, bytes.data() + used, size);
    used += size;
  });
}

template <class T>
std::string raw(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

void write_zip(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, std::string>>& members, int method = ZIP_CM_DEFLATE) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  REQUIRE(archive);
  for (const auto& [name, bytes] : members) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, 0);
    REQUIRE(index >= 0);
    REQUIRE(zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), method, 0) == 0);
  }
  REQUIRE(zip_close(archive) == 0);
}

std::string problem(const std::filesystem::path& path) {
  return file_error([&] { read_npz(path); });
}

}  // namespace

TEST_CASE("npz: NumPy's own files give the values they were made of") {
  const TensorFile expected = read_safetensors(kGolden / "expected.safetensors");
  for (const char* name : {"edm_stored", "pytorch_fid_deflated", "big_endian", "adm_style_extra_keys"}) {
    INFO(name);
    const auto arrays = read_npz(kGolden / (std::string(name) + ".npz"));
    CHECK(arrays.at("mu").equal(expected.at("mu")));
    CHECK(arrays.at("sigma").equal(expected.at("sigma")));
  }
  const auto single = read_npz(kGolden / "float32.npz");
  CHECK(single.at("mu").scalar_type() == at::kFloat);
  CHECK(at::allclose(single.at("sigma").to(at::kDouble), expected.at("sigma"), 1e-6, 1e-6));
  // Not symmetric, so a transposition shows.
  const at::Tensor fortran = read_npz(kGolden / "fortran_order.npz").at("sigma");
  CHECK(fortran.equal(expected.at("fortran_order_sigma")));
  CHECK_FALSE(fortran.t().equal(expected.at("fortran_order_sigma")));
  CHECK(fortran.is_contiguous());
  const at::Tensor images = read_npz(kGolden / "images_only.npz").at("arr_0");
  CHECK(images.scalar_type() == at::kByte);
  CHECK(images.sizes() == at::IntArrayRef({3, 4, 4, 3}));
}

TEST_CASE("npz: only what is wanted is read") {
  const auto file = kGolden / "adm_style_extra_keys.npz";
  const auto arrays = read_npz(file, {"mu", "sigma"});
  CHECK(arrays.size() == 2);
  CHECK(read_npz(file).size() == 5);
  CHECK_THAT(file_error([&] { read_npz(file, {"mu", "features"}); }), Contains("has no array 'features'"));
}

TEST_CASE("npz: damaged and foreign files are refused with a reason") {
  struct Case {
    const char *name, *expected;
  };
  for (const auto& [name, expected] :
       {Case{"bad_crc", "CRC"}, Case{"bad_dtype_complex", "'<c16'"}, Case{"bad_empty", "holds no arrays"},
        Case{"bad_not_a_zip", "is not an .npz file"}, Case{"bad_object_array", "Python objects"},
        Case{"bad_truncated_half", "is not an .npz file, or is truncated"},
        Case{"bad_truncated_tail", "is not an .npz file, or is truncated"}}) {
    INFO(name);
    const auto path = kGolden / (std::string(name) + ".npz");
    CHECK_THAT(problem(path), Contains(path.string() + ": ") && Contains(expected));
  }
}

TEST_CASE("npz: a file cut at any length, or with any byte changed, is refused or read, never worse") {
  const TemporaryFolder folder;
  const std::string whole = read_bytes(kGolden / "pytorch_fid_deflated.npz");
  for (size_t length = 0; length < whole.size(); ++length) {
    write_bytes(folder / "cut.npz", whole.substr(0, length));
    INFO(length);
    REQUIRE(problem(folder / "cut.npz") != "");
  }
  const auto expected = read_npz(kGolden / "pytorch_fid_deflated.npz");
  for (size_t place = 0; place < whole.size(); ++place)
    for (const int bit : {0, 3, 7}) {
      std::string bytes = whole;
      bytes[place] = static_cast<char>(bytes[place] ^ (1 << bit));
      write_bytes(folder / "bad.npz", bytes);
      INFO(place);
      file_error([&] {
        for (const auto& [name, array] :
             read_npz(folder / "bad.npz"))  // the CRC guards the content, not the name
          if (expected.count(name)) REQUIRE(array.equal(expected.at(name)));
      });
    }
}

TEST_CASE("npz: archives that are not NumPy's") {
  const TemporaryFolder folder;
  const std::string array = npy(dictionary("|u1", "(2,)"), "ab");
  write_zip(folder / "text.npz", {{"readme.txt", "hello"}});
  CHECK_THAT(problem(folder / "text.npz"), Contains("array 'readme.txt' is no .npy member"));
  write_zip(folder / "bzip2.npz", {{"a.npy", array}}, ZIP_CM_BZIP2);
  CHECK_THAT(problem(folder / "bzip2.npz"), Contains("array 'a' is packed by another method than deflate"));
  write_zip(folder / "short.npz", {{"a.npy", "\x93NUM"}});
  CHECK_THAT(problem(folder / "short.npz"), Contains("array 'a' is no NumPy array"));
  write_zip(folder / "good.npz", {{"a.npy", array}, {"b.npy", array}}, ZIP_CM_STORE);
  CHECK(read_npz(folder / "good.npz").at("b").equal(at::tensor({97, 98}, at::kByte)));
  CHECK_THAT(file_error([&] { read_npz(folder / "good.npz", {}, array.size() * 2 - 1); }),
             Contains("array 'b' would bring the file to more than"));
  // Two members of one name: the second's "b" becomes "a" in the local header and in the directory.
  std::string twice = read_bytes(folder / "good.npz");
  for (size_t at; (at = twice.find("b.npy")) != std::string::npos;) twice[at] = 'a';
  write_bytes(folder / "twice.npz", twice);
  CHECK(problem(folder / "twice.npz") != "");
}

TEST_CASE("npz: a small file that promises terabytes is refused before memory is taken") {
  const TemporaryFolder folder;
  write_zip(folder / "a.npz", {{"a.npy", npy(dictionary("|u1", "(1099511627776,)"), "x")}});
  CHECK_THAT(problem(folder / "a.npz"), Contains("1 bytes of data but its shape takes 1099511627776"));
  // The directory itself lies: uncompressed size (at 24 of the entry) 0xf0000000.
  std::string bytes = read_bytes(folder / "a.npz");
  bytes.replace(bytes.rfind("PK\x01\x02") + 24, 4, std::string("\0\0\0\xf0", 4));
  write_bytes(folder / "a.npz", bytes);
  CHECK_THAT(problem(folder / "a.npz"), Contains("declares a size that its data cannot have"));
}

TEST_CASE("npy: each dtype in both byte orders") {
  CHECK(parse(npy(dictionary("<f8", "(2,)"), raw({1.5, -2.0}))).equal(at::tensor({1.5, -2.0})));
  CHECK(parse(npy(dictionary("<f4", "(1,)"), raw({1.5F}))).equal(at::tensor({1.5F})));
  CHECK(parse(npy(dictionary("<f2", "(1,)"), std::string("\x00\x3e", 2))).item<float>() == 1.5F);
  CHECK(parse(npy(dictionary(">f2", "(1,)"), std::string("\x3e\x00", 2))).item<float>() == 1.5F);
  CHECK(parse(npy(dictionary("<i8", "(1,)"), raw({int64_t{-7}}))).item<int64_t>() == -7);
  CHECK(parse(npy(dictionary(">i4", "(2,)"), std::string("\0\0\1\2\xff\xff\xff\xfe", 8)))
            .equal(at::tensor({258, -2}, at::kInt)));
  CHECK(parse(npy(dictionary(">i2", "(1,)"), std::string("\1\2", 2))).item<int>() == 258);
  CHECK(parse(npy(dictionary("|i1", "(1,)"), "\xff")).item<int>() == -1);
  CHECK(parse(npy(dictionary("|u1", "(1,)"), "\xff")).item<int>() == 255);
  CHECK(parse(npy(dictionary("|b1", "(2,)"), std::string("\0\1", 2))).equal(at::arange(2).to(at::kBool)));
}

TEST_CASE("npy: versions, scalars, empty arrays, Fortran order, odd spacing") {
  for (const int version : {1, 2, 3})
    CHECK(parse(npy(dictionary("|u1", "(1,)"), "a", version)).item<int>() == 97);
  CHECK(parse(npy(dictionary("<f8", "()"), raw({2.5}))).dim() == 0);
  CHECK(parse(npy(dictionary("<f8", "(3, 0, 2)"), "")).sizes() == at::IntArrayRef({3, 0, 2}));
  // [[a,b,c],[d,e,f]] in Fortran order lies as a d b e c f.
  CHECK(parse(npy(dictionary("|u1", "(2, 3)", "True"), "adbecf"))
            .equal(at::arange('a', 'g', at::kByte).reshape({2, 3})));
  CHECK(parse(npy("{\"shape\":(1,) , 'descr':'|u1','fortran_order':False}", "a")).item<int>() == 97);
}

TEST_CASE("npy: headers that are not quite right") {
  struct Case {
    std::string bytes, expected;
  };
  const std::string good = dictionary("|u1", "(1,)");
  std::string wrong_magic = npy(good, "a");
  wrong_magic[1] = 'M';
  for (const auto& [bytes, expected] : std::vector<Case>{
           {wrong_magic, "is no NumPy array"},
           {"", "is no NumPy array"},
           {npy(good, "a", 4), "unknown NumPy format 4"},
           {npy(good, "a", 0), "unknown NumPy format 0"},
           {npy(good, ""), "holds 0 bytes of data but its shape takes 1"},
           {npy(good, "ab"), "holds 2 bytes of data but its shape takes 1"},
           {npy(good, "a").substr(0, 20), "damaged array header"},
           {npy(dictionary("|u1", "(-1,)"), "a"), "damaged array header"},
           {npy(dictionary("|u1", "(1.0,)"), "a"), "damaged array header"},
           {npy(dictionary("|u1", "(99999999999999999999,)"), "a"), "damaged array header"},
           {npy(dictionary("<f8", "(4611686018427387904, 4)"), ""), "overflowing shape"},
           {npy(dictionary("<f8", "(0, 4611686018427387904, 4)"), ""), "overflowing shape"},
           {npy(dictionary("|u1", "(1,)", "false"), "a"), "damaged array header"},
           {npy(dictionary("|u1", "1"), "a"), "damaged array header"},
           {npy("{'descr': '|u1', 'shape': (1,)}", "a"), "damaged array header"},
           {npy("{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1,)}", "a"),
            "damaged array header"},
           {npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'extra': 1}", "a"),
            "damaged array header"},
           {npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} ()", "a"), "damaged array header"},
           {npy("{'descr': '|u1", "a"), "damaged array header"},
           {npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", "a"), "structured dtype"},
           {npy(dictionary("|O", "(1,)"), "a"), "Python objects"},
           {npy(dictionary("<c8", "(1,)"), "a"), "dtype '<c8'"},
           {npy(dictionary("<u2", "(1,)"), "ab"), "dtype '<u2'"},
           {npy(dictionary("|f8", "(1,)"), "a"), "dtype '|f8'"},
           {npy(dictionary("f8", "(1,)"), "a"), "dtype 'f8'"},
           {npy(dictionary("", "(1,)"), "a"), "dtype ''"},
           {npy(dictionary("|b1", "(1,)"), "\2"), "bytes other than 0 and 1"},
       }) {
    INFO(bytes);
    CHECK_THROWS_WITH(parse(bytes), Contains(expected));
  }
}

TEST_CASE(
    "npz: what is written comes back, whatever its dtype and strides, and its bytes are the same again") {
  const TemporaryFolder folder;
  const auto path = folder / "x.npz";
  const at::Tensor base = at::arange(24, at::kDouble).view({2, 3, 4});
  std::vector<std::pair<std::string, at::Tensor>> arrays{
      {"turned", base.permute({2, 0, 1})}, {"empty", base.slice(0, 0, 0)}, {"scalar", base[1][2][3]}};
  for (const at::ScalarType dtype :
       {at::kHalf, at::kFloat, at::kChar, at::kShort, at::kInt, at::kLong, at::kByte, at::kBool})
    arrays.emplace_back(c10::toString(dtype), base.to(dtype));
  write_npz(path, arrays);
  const auto back = read_npz(path);
  REQUIRE(back.size() == arrays.size());
  for (const auto& [name, tensor] : arrays) {
    INFO(name);
    CHECK(back.at(name).scalar_type() == tensor.scalar_type());
    CHECK(at::equal(back.at(name), tensor));
  }
  const std::string bytes = read_bytes(path);
  write_npz(path, arrays);
  CHECK(read_bytes(path) == bytes);
  CHECK_THROWS(write_npz(path, {{"complex", base.to(at::kComplexDouble)}}));
  CHECK_THROWS_AS(write_npz("/proc/none/x.npz", arrays), FileError);
  CHECK(read_bytes(path) == bytes);  // and nothing was lost on the way
}

TEST_CASE("npy: the data begins at a multiple of 64 bytes, as NumPy maps it") {
  for (const int64_t n : {1, 10, 1000, 123456789}) {
    const std::string bytes = npy_bytes(at::empty({0, n}, at::kFloat));
    CHECK(bytes.size() % 64 == 0);
    CHECK(bytes.back() == '\n');
  }
}
