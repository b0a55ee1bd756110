// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda_sync.h"

#include <string>

#include <c10/util/Exception.h>

#include "kernels/cuda_plugin.h"

namespace onestep::kernels {
namespace {

/// LibTorch warns of every wait; other warnings go where they always go.
class SyncCounter : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    if (warning.msg().find("synchronizing CUDA operation") != std::string::npos)
      ++count;
    else
      WarningHandler::process(warning);
  }
  int64_t count = 0;
};

}  // namespace

int64_t count_cuda_syncs(const std::function<void()>& work) {
  const auto warn_on_sync = reinterpret_cast<void (*)(bool)>(cuda_symbol("onestep_warn_on_sync"));
  SyncCounter counter;
  const c10::WarningUtils::WarningHandlerGuard guard(&counter);
  struct Mode {
    void (*set)(bool);
    explicit Mode(void (*set_mode)(bool)) : set(set_mode) { set(true); }
    ~Mode() { set(false); }
  } const mode(warn_on_sync);
  work();
  return counter.count;
}

}  // namespace onestep::kernels
