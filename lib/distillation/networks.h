// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "distillation/discriminator.h"
#include "distillation/fake.h"
#include "distillation/student.h"

namespace onestep {

/// The networks of a distillation as one worker sees them: parameters are everybody's, gradients its own.
struct Networks {
  Denoiser teacher;  ///< frozen
  Student student;
  Fake fake;
  std::optional<Discriminator> discriminator;
};

}  // namespace onestep
