// SPDX-License-Identifier: Apache-2.0
// What needs no image library: grids, quantisation, PNG text.
#include <cmath>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "io/image.h"
#include "io/png_file.h"
#include "io/png_text.h"

using namespace onestep::io;
using Catch::Contains;

TEST_CASE("to_uint8 is floor(clip(127.5 x + 128, 0, 255))") {
  const float inf = std::numeric_limits<float>::infinity();
  struct Case {
    float x;
    int expected;
  };
  // ±1/255: 127.5 x is exactly ±0.5 up to rounding, so 128.5 → 128 and 127.5 → 127; rounding to nearest would
  // differ.
  for (const auto& [x, expected] :
       {Case{0.F, 128}, Case{-1.F, 0}, Case{1.F, 255}, Case{2.F, 255}, Case{-2.F, 0}, Case{inf, 255},
        Case{-inf, 0}, Case{1 / 256.F, 128}, Case{-1 / 256.F, 127}, Case{0.5F, 191}, Case{-0.5F, 64},
        Case{0.25F, 159}, Case{-0.25F, 96}}) {
    INFO(x);
    for (const auto dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16})
      CHECK(to_uint8(at::tensor({x}).to(dtype)).item<int>() == expected);
  }
}

TEST_CASE("to_uint8 undoes u8/127.5 - 1 for every byte, and keeps shape") {
  const at::Tensor bytes = at::arange(256, at::kByte).reshape({4, 1, 8, 8});
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const at::Tensor back = to_uint8(bytes.to(dtype) / 127.5 - 1);
    CHECK(back.sizes() == bytes.sizes());
    CHECK(back.equal(bytes));
  }
}

TEST_CASE("to_uint8 refuses NaN, integers pass for no floats") {
  CHECK_THROWS_WITH(to_uint8(at::tensor({0.F, NAN})), Contains("NaN"));
  CHECK_THROWS_WITH(to_uint8(at::arange(3)), Contains("floating point"));
}

TEST_CASE("image_grid puts image i in row i / columns, column i % columns") {
  at::Tensor images = at::zeros({5, 3, 2, 4}, at::kByte);
  for (int i = 0; i < 5; ++i) images[i].copy_(at::arange(24).reshape({3, 2, 4}).to(at::kByte) + 30 * i);
  constexpr int kGap = 2, kZoom = 3;
  const at::Tensor grid = image_grid(images, 2, 3, kGap, kZoom);
  REQUIRE(grid.sizes() == at::IntArrayRef({3, 2 * 6 + 2, 3 * 12 + 2 * 2}));
  const auto pixels = grid.accessor<uint8_t, 3>();
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t y = 0; y < grid.size(1); ++y)
      for (int64_t x = 0; x < grid.size(2); ++x) {
        // Written from the outside in: which cell, which pixel in it.
        const int64_t row = y / 8, column = x / 14, in_y = y % 8, in_x = x % 14, i = row * 3 + column;
        const bool blank = in_y >= 6 || in_x >= 12 || i >= 5;
        const int64_t expected = blank ? 255 : 30 * i + 8 * c + 4 * (in_y / 3) + in_x / 3;
        REQUIRE(pixels[c][y][x] == expected);
      }
}

TEST_CASE("image_grid without gap is a plain tiling; wrong arguments are named") {
  const at::Tensor images = at::full({4, 1, 2, 2}, 7, at::kByte);
  CHECK(image_grid(images, 2, 2, 0).equal(at::full({1, 4, 4}, 7, at::kByte)));
  CHECK_THROWS_WITH(image_grid(images, 1, 3), Contains("4 images do not fit 1 × 3 cells"));
  CHECK_THROWS_WITH(image_grid(images.to(at::kFloat), 2, 2), Contains("uint8 [N,C,H,W]"));
  CHECK_THROWS_WITH(image_grid(images[0], 2, 2), Contains("uint8 [N,C,H,W]"));
  CHECK_THROWS_WITH(image_grid(images, 2, 2, -1), Contains("a gap of at least 0"));
  CHECK_THROWS_WITH(image_grid(images, 2, 2, 1, 0), Contains("zoom above 0"));
}

TEST_CASE("PNG text: whole chunks after the header, the rest as it was") {
  const std::string png = png_file(1, 1, 8, 0, std::string(1, 'x'));
  const std::string with = with_png_text(png, {{"onestep", R"({"seed": 3, "ø": "😀"})"}, {"Title", "a grid"}});
  const auto chunks = png_chunks(with);
  REQUIRE(chunks.size() == 5);
  CHECK(chunks[0].type == "IHDR");
  CHECK(chunks[1].type == "tEXt");
  CHECK(chunks[1].data == std::string("Title\0a grid", 12));
  CHECK(chunks[2].data == std::string("onestep\0", 8) + R"({"seed": 3, "\u00f8": "\ud83d\ude00"})");
  CHECK(chunks[4].type == "IEND");
  CHECK(with_png_text(png, {}) == png);
}

TEST_CASE("PNG text: what a chunk cannot hold") {
  const std::string png = png_file(1, 1, 8, 0, "x");
  CHECK_THROWS_WITH(with_png_text(png, {{"", "x"}}), Contains("keyword"));
  CHECK_THROWS_WITH(with_png_text(png, {{std::string(80, 'k'), "x"}}), Contains("keyword"));
  CHECK_THROWS_WITH(with_png_text(png, {{"a\n", "x"}}), Contains("keyword"));
  CHECK_THROWS_WITH(with_png_text(png, {{"a", std::string(1, '\0')}}), Contains("NUL"));
  // Bytes that are not UTF-8 become U+FFFD.
  CHECK_THAT(with_png_text(png, {{"a", "\xff!"}}), Contains("\\ufffd!"));
}
