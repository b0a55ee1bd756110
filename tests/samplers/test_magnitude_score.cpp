// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "samplers/magnitude_score.h"

using namespace onestep;

TEST_CASE("the magnitude score counts blocks with a pixel beyond three standard deviations") {
  const ChannelStatistics data{.mean = {0.5, -1}, .std = {0.25, 2}};
  at::Tensor images = at::zeros({4, 2, 8, 8}, at::kDouble) + 0.5;
  images.select(1, 1).fill_(-1);  // every pixel at its channel's mean
  images[1][0][0][0] = 0.5 + 4 * 0.25;
  images[1][0][3][3] = 0.5 - 3.5 * 0.25;  // in the same block, and smaller
  images[2][0][5][6] = 0.5 + 2.99 * 0.25;
  images[3][1][7][7] = -1 - 5 * 2;
  images[3][0][7][7] = 0.5 + 3 * 0.25;
  images[3][0][0][7] = 0.5 - 6 * 0.25;
  const at::Tensor scores = magnitude_scores(images, data);
  CHECK(scores[0].item<double>() == 0);
  CHECK(scores[1].item<double>() == Approx(4. / 4));  // of four blocks
  CHECK(scores[2].item<double>() == 0);
  CHECK(scores[3].item<double>() == Approx((5. + 6) / 4));
}

TEST_CASE("the magnitude score takes any size, and says what it can't take") {
  const ChannelStatistics data{.mean = {0}, .std = {1}};
  at::Tensor image = at::zeros({1, 1, 5, 6});
  image[0][0][4][5] = 7;  // in a block of 1 × 2
  CHECK(magnitude_scores(image, data).item<double>() == Approx(7. / 4));
  CHECK_THROWS_AS(magnitude_scores(at::zeros({1, 3, 4, 4}), data), c10::Error);
}
