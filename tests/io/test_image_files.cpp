// SPDX-License-Identifier: Apache-2.0
#include <numeric>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "io/image.h"
#include "io/png_file.h"
#include "temporary_folder.h"

using namespace onestep::io;
using Catch::Contains;

namespace {

const std::string kGolden = ONESTEP_GOLDEN "/images/";

std::string pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(37 * i + 11);
  return bytes;
}

}  // namespace

TEST_CASE("images: PNG round trips, grey and RGB, any strides and sizes") {
  const TemporaryFolder folder;
  for (const int64_t channels : {1, 3})
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1}, {5, 7}, {28, 28}, {3, 300}}) {
      const at::Tensor image =
          (at::arange(channels * height * width) * 37 + 11).to(at::kByte).reshape({channels, height, width});
      write_png(folder / "a.png", image);
      CHECK(read_image(folder / "a.png").equal(image));
      const at::Tensor turned = image.transpose(1, 2);
      write_png(folder / "a.png", turned);
      CHECK(read_image(folder / "a.png").equal(turned));
    }
}

TEST_CASE("images: the first channel is red, in files of an independent writer and reader") {
  const std::string pixels = pattern(5 * 7 * 3);
  const at::Tensor image = decode_image(png_file(7, 5, 8, 2, pixels), "a.png");
  REQUIRE(image.sizes() == at::IntArrayRef({3, 5, 7}));
  const auto values = image.accessor<uint8_t, 3>();
  for (int64_t y = 0; y < 5; ++y)
    for (int64_t x = 0; x < 7; ++x)
      for (int64_t c = 0; c < 3; ++c)
        REQUIRE(values[c][y][x] == static_cast<uint8_t>(pixels[static_cast<size_t>((y * 7 + x) * 3 + c)]));

  const at::Tensor other = read_image(kGolden + "rgb.png");  // pixel values as its writer was given them
  const auto pixel = [&](int64_t y, int64_t x) { return other.select(1, y).select(1, x); };
  CHECK(pixel(0, 0).equal(at::tensor({217, 163, 130}, at::kByte)));
  CHECK(pixel(4, 6).equal(at::tensor({81, 61, 202}, at::kByte)));
  CHECK(pixel(2, 3).equal(at::tensor({98, 117, 255}, at::kByte)));
}

TEST_CASE("images: JPEG, grey and RGB, plain and progressive") {
  for (const char* name : {"rgb.jpg", "rgb_progressive.jpg"}) {
    const at::Tensor image = read_image(kGolden + name);
    REQUIRE(image.sizes() == at::IntArrayRef({3, 8, 8}));
    const at::Tensor expected = at::tensor({200, 30, 60}).view({3, 1, 1});
    CHECK((image.to(at::kLong) - expected).abs().max().item<int64_t>() <= 3);
  }
  const at::Tensor grey = read_image(kGolden + "grey.jpg");
  REQUIRE(grey.sizes() == at::IntArrayRef({1, 8, 8}));
  CHECK(std::abs(grey[0][7][0].item<int>() - 116) <= 4);
  CHECK(std::abs(grey[0][0][7].item<int>() - 88) <= 4);
}

TEST_CASE("images: text chunks travel with the pixels and do not change them") {
  const at::Tensor image = at::arange(12, at::kByte).reshape({1, 3, 4});
  const std::string png = encode_png(image, {{"onestep", R"({"seeds": "0-63"})"}});
  CHECK(png_chunks(png).at(1).data == std::string("onestep\0", 8) + R"({"seeds": "0-63"})");
  CHECK(decode_image(png, "a.png").equal(image));
  CHECK(png == encode_png(image, {{"onestep", R"({"seeds": "0-63"})"}}));
}

TEST_CASE("images: what is not 8-bit grey or RGB is refused by name") {
  struct Case {
    std::string bytes, expected;
  };
  const std::string good = png_file(2, 2, 8, 2, pattern(12));
  std::string wrong_crc = good;
  wrong_crc[wrong_crc.size() - 20] ^= 1;
  const auto sized = [&](uint32_t width, uint32_t height) {
    const std::string header = png_u32(width) + png_u32(height) + std::string("\x08\x02\0\0\0", 5);
    return good.substr(0, 8) + png_chunk("IHDR", header) + good.substr(33);
  };
  const std::string jpeg = read_bytes(kGolden + "rgb.jpg");
  std::string twelve_bits = jpeg;
  twelve_bits[twelve_bits.find("\xff\xc0") + 4] = 12;
  for (const auto& [bytes, expected] : std::vector<Case>{
           {"", "a.png: is empty"},
           {"GIF89a", "a.png: is not a PNG or JPEG file"},
           {png_file(2, 2, 16, 2, pattern(24)), "16 bits per channel; 8 are expected"},
           {png_file(8, 2, 1, 0, pattern(2)), "1 bits per channel"},
           {png_file(2, 2, 8, 6, pattern(16)), "PNG with alpha"},
           {png_file(2, 2, 8, 4, pattern(8)), "PNG with alpha"},
           {png_file(2, 2, 8, 3, pattern(4), png_chunk("PLTE", pattern(768))), "palette PNG"},
           {read_bytes(kGolden + "palette.png"), "palette PNG"},
           {png_file(2, 2, 8, 2, pattern(12), png_chunk("tRNS", pattern(6))), "transparent colour"},
           {sized(1 << 30, 1 << 30), "1073741824 × 1073741824 pixels"},
           {sized(1 << 12, (1 << 12) + 1), "4096 × 4097 pixels; 1 to 2^24 are expected"},
           {sized(0, 2), "0 × 2 pixels"},
           {wrong_crc, "damaged PNG (CRC error)"},
           {good.substr(0, 8) + good.substr(33), "damaged PNG (its chunks)"},
           {read_bytes(kGolden + "cmyk.jpg"), "CMYK JPEG"},
           {twelve_bits, "JPEG of 12 bits per channel"},
           // Right chunks around pixels that are too few: the decoder's own check.
           {good.substr(0, 33) + png_chunk("IDAT", "rubbish") + png_chunk("IEND", ""),
            "a.png: is a damaged PNG ("},
           {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"},
           {"RIFF....WEBPVP8 ", "a WebP image"},
       }) {
    CHECK_THAT(file_error([&] { decode_image(bytes, "a.png"); }), Contains(expected));
  }
}

TEST_CASE("images: what a decoder only warns of is an error of the file") {
  // Half of the pixels, and an end: libjpeg would make up the rest.
  const std::string jpeg = read_bytes(kGolden + "rgb.jpg");
  const size_t scan = jpeg.find("\xff\xda") + 14;
  const std::string half = jpeg.substr(0, scan + (jpeg.size() - scan) / 3) + "\xff\xd9";
  CHECK_THAT(file_error([&] { decode_image(half, "d/1.jpg"); }),
             Contains("d/1.jpg: is a damaged JPEG (premature end of data"));
  // Rows that are too few; rows too many; chunks that do not carry pixels have no say.
  const std::string three = png_file(2, 3, 8, 2, pattern(18));
  const auto rows_of = [&](const std::string& png) { return png_chunks(png).at(1).data; };
  const std::string two = png_file(2, 2, 8, 2, pattern(12));
  const std::string header = two.substr(0, 33), end = png_chunk("IEND", "");
  CHECK_THAT(file_error([&] { decode_image(header + png_chunk("IDAT", rows_of(three)) + end, "a.png"); }),
             Contains("a.png: is a damaged PNG ("));
  CHECK_THAT(
      file_error([&] { decode_image(three.substr(0, 33) + png_chunk("IDAT", rows_of(two)) + end, "a.png"); }),
      Contains("a.png: is a damaged PNG ("));
  CHECK_NOTHROW(decode_image(png_file(2, 2, 8, 2, pattern(12), png_chunk("iCCP", "rubbish")), "a.png"));
}

TEST_CASE("images: a file cut at any length is refused") {
  for (const char* name : {"rgb.png", "rgb.jpg", "rgb_progressive.jpg", "grey.jpg"}) {
    const std::string whole = read_bytes(kGolden + name);
    REQUIRE_NOTHROW(decode_image(whole, name));
    for (size_t length = 0; length < whole.size(); ++length) {
      INFO(name << " cut at " << length);
      REQUIRE(file_error([&] { decode_image(whole.substr(0, length), name); }) != "");
    }
  }
}

TEST_CASE("images: what is no image tensor is refused") {
  CHECK_THROWS_WITH(encode_png(at::zeros({3, 4, 4})), Contains("uint8 [1 or 3, H, W]"));
  CHECK_THROWS_WITH(encode_png(at::zeros({2, 4, 4}, at::kByte)), Contains("uint8 [1 or 3, H, W]"));
  CHECK_THROWS_WITH(encode_png(at::zeros({4, 4}, at::kByte)), Contains("uint8 [1 or 3, H, W]"));
  CHECK_THROWS_WITH(encode_png(at::zeros({1, 0, 4}, at::kByte)), Contains("uint8 [1 or 3, H, W]"));
  const TemporaryFolder folder;
  const auto unwritable = (folder / "none") / "a.png";
  CHECK_THAT(file_error([&] {
               write_png(unwritable, at::zeros({1, 4, 4}, at::kByte));
             }),
             Contains("No such file"));
  CHECK_THAT(file_error([&] { read_image(folder / "none.png"); }), Contains("No such file"));
}
