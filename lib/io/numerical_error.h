// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdexcept>

namespace onestep {

/// A result that is not a finite number: a loss, a gradient, a denoised image. The apps answer it with exit
/// code 4.
class NumericalError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace onestep
