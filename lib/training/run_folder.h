// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace onestep {

/// "000000012384": the stem of files made at `nimg` images, so that names sort by age.
std::string nimg_stem(int64_t nimg);

/// Where a run keeps what it makes.
struct RunFolder {
  std::filesystem::path root;
  std::filesystem::path config() const { return root / "config.yaml"; }
  std::filesystem::path log() const { return root / "log.jsonl"; }
  std::filesystem::path checkpoints() const { return root / "checkpoints"; }
  std::filesystem::path samples() const { return root / "samples"; }
  std::filesystem::path model() const { return root / "model.safetensors"; }
  std::filesystem::path best() const { return root / "best.safetensors"; }
  std::filesystem::path averages() const { return root / "ema"; }
  std::filesystem::path tensorboard() const { return root / "tensorboard"; }
  std::filesystem::path models() const { return root / "models"; }
  std::filesystem::path lock() const { return root / ".lock"; }
};

}  // namespace onestep
