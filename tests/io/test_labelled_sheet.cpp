// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "io/labelled_sheet.h"

using namespace onestep;

TEST_CASE("text as pixels: black on white, as wide as its letters") {
  const at::Tensor text = io::text_image("12 steps");
  CHECK(text.size(1) == 20);
  CHECK(text.min().item<int>() < 64);
  CHECK(text.max().item<int>() == 255);
  CHECK(io::text_image("12 steps and more").size(2) > text.size(2));
  // Nothing is cut off below: descenders stand above the last row.
  CHECK(io::text_image("gpqy").select(1, 19).min().item<int>() == 255);
}

TEST_CASE("a labelled sheet puts each cell in its row and column") {
  const auto cell = [](int value) { return at::full({3, 20, 30}, value, at::kByte); };
  const at::Tensor sheet =
      io::labelled_sheet({"a", "long row"}, {"x", "y"}, {{cell(10), cell(20)}, {cell(30), {}}});
  const int64_t label = io::text_image("long row").size(2);
  CHECK(sheet.sizes() == at::IntArrayRef{3, 36 + 2 * 28, 16 + label + 2 * 38});
  const auto at_cell = [&](int64_t row, int64_t column) {
    return sheet.narrow(1, 36 + row * 28, 20).narrow(2, 16 + label + column * 38, 30);
  };
  CHECK(at::equal(at_cell(0, 0), cell(10)));
  CHECK(at::equal(at_cell(0, 1), cell(20)));
  CHECK(at::equal(at_cell(1, 0), cell(30)));
  CHECK(at::equal(at_cell(1, 1), cell(255)));
  CHECK_THROWS(io::labelled_sheet({"a"}, {"x", "y"}, {{cell(1)}}));
  CHECK_THROWS(io::labelled_sheet({"a"}, {"x"}, {{at::Tensor()}}));
}
