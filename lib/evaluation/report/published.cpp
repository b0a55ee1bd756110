// SPDX-License-Identifier: Apache-2.0
#include "evaluation/report/published.h"

namespace onestep {
namespace {

constexpr const char* kSid = "Zhou et al. 2024, Score identity Distillation (arXiv:2404.04057)";
constexpr const char* kFDistill =
    "Xu et al. 2025, One-step Diffusion Models with f-Divergence Distribution Matching (arXiv:2502.15681)";
constexpr const char* kUniInstruct =
    "Wang et al. 2025, Uni-Instruct: One-step Diffusion Model through Unified Diffusion Divergence "
    "Instruction (arXiv:2505.20755)";

}  // namespace

const std::vector<PublishedFid>& published_fids() {
  static const std::vector<PublishedFid> table{
      {32, "Uni-Instruct", "conditional", 1.38, kUniInstruct},
      {32, "Uni-Instruct", "unconditional", 1.46, kUniInstruct},
      {32, "SiD", "conditional", 1.710, kSid},
      {32, "f-distill", "conditional", 1.92, kFDistill},
      {32, "SiD", "unconditional", 1.923, kSid},
      {64, "Uni-Instruct", "conditional", 1.02, kUniInstruct},
      {64, "f-distill", "conditional", 1.16, kFDistill},
      {64, "SiD", "conditional", 1.524, kSid},
  };
  return table;
}

std::string published_data(int64_t resolution) {
  return resolution == 32 ? "CIFAR-10" : resolution == 64 ? "ImageNet 64 × 64" : "";
}

}  // namespace onestep
