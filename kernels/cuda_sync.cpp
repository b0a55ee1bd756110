// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda_sync.h"

#include <algorithm>

#include <c10/util/Backtrace.h>
#include <c10/util/Exception.h>

#include "kernels/cuda_plugin.h"

namespace onestep::kernels {
namespace {

/// The operations in the calls that led here, "item < is_nonzero": a frame each, "at::_ops::item::call(…)".
std::string operations() {
  const std::string calls = c10::get_backtrace(), mark = "at::_ops::";
  std::string line, last;
  for (size_t at = calls.find(mark); at != std::string::npos; at = calls.find(mark, at)) {
    at += mark.size();
    const std::string name = calls.substr(at, calls.find("::", at) - at);
    if (name != last) line += (line.empty() ? "" : " < ") + name;
    last = name;
  }
  return line.empty() ? "?" : line;
}

/// LibTorch warns of every wait; other warnings go where they always go. What a thread of the backward pass
/// warns of is told to the thread that asked for the pass, at its end.
class SyncNotes : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    if (warning.msg().find("synchronizing CUDA operation") != std::string::npos)
      lines.push_back(operations());
    else
      WarningHandler::process(warning);
  }
  std::vector<std::string> lines;
};

}  // namespace

std::vector<std::string> cuda_syncs(const std::function<void()>& work) {
  const auto warn_on_sync = reinterpret_cast<void (*)(bool)>(cuda_symbol("onestep_warn_on_sync"));
  SyncNotes notes;
  const c10::WarningUtils::WarningHandlerGuard guard(&notes);
  struct Mode {
    void (*set)(bool);
    explicit Mode(void (*set_mode)(bool)) : set(set_mode) { set(true); }
    ~Mode() { set(false); }
  } const mode(warn_on_sync);
  work();
  return notes.lines;
}

}  // namespace onestep::kernels
