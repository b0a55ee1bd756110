// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "distillation/shard.h"
#include "distillation/terms/term_weight.h"
#include "networks/denoiser.h"
#include "parallel/communicator.h"
#include "parallel/workers.h"
#include "samplers/sampler_config.h"

namespace onestep {

/// G(z) is to equal what the teacher's solver makes of the same latent (DMD, progressive distillation): half
/// the mean squared error.
struct RegressionConfig {
  TermWeight term;
  int64_t pairs = 512;
  SamplerConfig sampler;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    TermWeight::fields(c.term, visit);
    visit("pairs", c.pairs, "how many pairs of latent and image the teacher makes, once",
          config::at_least(1));
    visit("sampler", c.sampler, "how the teacher makes them");
  }
};

/// The regression's pairs: unit latents, their classes, and the images that the teacher's solver makes of
/// them. Images stay on disk, in shards; each step reads those that it wants.
struct TeacherPairs {
  int64_t count = 0;
  uint64_t seed = 0;
  std::vector<int64_t> classes;  ///< pair i has class classes[i mod n]; empty without classes
  int64_t label_dim = 0;
  std::vector<at::Tensor> shards;  ///< [≤ kPairsInShard, C, H, W] float32, as a rule mapped files
};

inline constexpr int64_t kPairsInShard = 256;

/// The pairs of a run, of `classes`, from the shards in `folder`; what is missing, damaged (with a warning)
/// or of another teacher, seed or sampler is made and written there, each shard whole or not at all. `stop`
/// is asked at every network pass: no value where it said so on any rank, and the finished shards stay. Ranks
/// share the passes; the first writes, and those who do not find its files get the images. Throws
/// io::FileError when one can't be written.
std::optional<TeacherPairs> teacher_pairs(const RegressionConfig& config, const Denoiser& teacher,
                                          const std::vector<int64_t>& classes, uint64_t seed,
                                          const std::filesystem::path& folder,
                                          const std::function<bool()>& stop, const Workers& workers = {},
                                          const Communicator& ranks = {});

/// Rows of pairs on a shard's device: latents z [n, C, H, W], conditions, images [n, C, H, W].
struct PairRows {
  at::Tensor latents;
  Condition condition;
  at::Tensor images;
};

/// The pairs of a shard: image nimg of the run has one in each pass over all pairs, in another order each.
PairRows pairs_of(const TeacherPairs& pairs, const Shard& shard);

}  // namespace onestep
