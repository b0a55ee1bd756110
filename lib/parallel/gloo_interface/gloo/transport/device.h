// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gloo/algorithm.h>

namespace gloo::transport {

class Device;

class UnboundBuffer {
 public:
  virtual ~UnboundBuffer();
};

}  // namespace gloo::transport
