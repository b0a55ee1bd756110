// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "distillation/student_steps.h"

using namespace onestep;

TEST_CASE("The student's images are counted in the steps in which it learns") {
  const StudentSteps every{.batch = 8, .every = 1, .start = 0};
  for (const int64_t nimg : {0, 8, 80, 84}) CHECK(every.images(nimg) == nimg);

  // By counting: every third step from image 20 on, of steps of 8.
  const StudentSteps some{.batch = 8, .every = 3, .start = 20};
  int64_t images = 0;
  for (int64_t nimg = 0; nimg < 400; nimg += 8) {
    CHECK(some.images(nimg) == images);
    CHECK(some.at(nimg) == (nimg >= 20 && nimg / 8 % 3 == 0));
    if (some.at(nimg)) images += 8;
  }
  // A last step of five images, the student's or not.
  REQUIRE(some.at(24 * 8));
  CHECK(some.images(24 * 8 + 5) == some.images(24 * 8) + 5);
  CHECK(some.images(25 * 8 + 5) == some.images(25 * 8));
}
