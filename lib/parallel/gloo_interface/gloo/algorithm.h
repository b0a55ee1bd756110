// SPDX-License-Identifier: Apache-2.0
// The wheel ships c10d's ProcessGroupGloo.hpp and libraries with Gloo in them, but none of Gloo's headers.
// These are declarations of the names that it mentions: of Gloo nothing is called, made or derived here, and
// all work goes through c10d::Backend (tests/parallel makes a group, which would show that they went out of
// step with the wheel).
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>
