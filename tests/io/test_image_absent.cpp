// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "io/image.h"

using namespace onestep::io;

TEST_CASE("images: a build without OpenCV says so") {
  const auto said = Catch::Contains("ONESTEP_OPENCV=OFF");
  CHECK_FALSE(has_image_files());
  CHECK_THROWS_WITH(encode_png(at::zeros({1, 2, 2}, at::kByte)), said);
  CHECK_THROWS_WITH(decode_image("x", "a.png"), said);
}
