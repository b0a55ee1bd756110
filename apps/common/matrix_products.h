// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdlib>

namespace onestep {

/// Matrix products whose bits do not depend on where their operands lie in memory: without this, MKL's do on
/// some CPUs, so that the same computation differs between a batch and its half, or a first and a second run.
/// To be called before the first product, since MKL reads the variable then. Another value that the user gave
/// MKL_CBWR stays (on an Intel CPU with AVX-512, `AVX512,STRICT` keeps the promise, too, with other bits).
inline void fix_matrix_products() {
  setenv("MKL_CBWR", "AVX2,STRICT", /*overwrite=*/0);
}

}  // namespace onestep
