// SPDX-License-Identifier: Apache-2.0
#include "devices/device_case.h"

namespace onestep::test {

std::vector<DeviceCase> device_cases() {
  std::vector<DeviceCase> all;
  for (const auto& part :
       {kernel_cases, network_cases, loss_cases, optimiser_cases, sampler_cases, evaluation_cases}) {
    for (DeviceCase& work : part()) all.push_back(std::move(work));
  }
  return all;
}

}  // namespace onestep::test
