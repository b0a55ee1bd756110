// SPDX-License-Identifier: Apache-2.0
#include "apps/evaluate/stages.h"

#include "apps/common/stop.h"

namespace onestep {

void StageBars::update(const std::string& stage, int64_t done, int64_t total) {
  if (stop_signal() != 0) {
    finish();
    throw Interrupted(farewell_);
  }
  if (stage != stage_) {
    bar_.reset();  // the old bar leaves its last line before the new one draws
    bar_ = std::make_unique<io::Progress>(stage, total);
    stage_ = stage;
  }
  if (!bar_) return;
  bar_->update(done);
  if (done == total) bar_->finish();
}

}  // namespace onestep
