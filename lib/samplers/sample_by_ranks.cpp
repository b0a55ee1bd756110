// SPDX-License-Identifier: Apache-2.0
#include "samplers/sample_by_ranks.h"

#include <algorithm>

#include <ATen/ops/tensor.h>

#include "parallel/deal.h"
#include "parallel/together.h"

namespace onestep {
namespace {

template <class T>
std::vector<T> part(const std::vector<T>& all, const Share& share) {
  if (all.empty()) return {};
  return {all.begin() + share.first, all.begin() + share.first + share.count};
}

/// The request for some of its samples.
SampleRequest part(SampleRequest request, const Share& share) {
  request.seeds = part(request.seeds, share);
  request.classes = part(request.classes, share);
  if (request.latents.defined()) request.latents = request.latents.narrow(0, share.first, share.count);
  return request;
}

}  // namespace

SampleResult generate_by_ranks(const Communicator& ranks, const Denoiser& denoiser,
                               const SamplerConfig& config, const SampleRequest& request, int64_t batch,
                               const SampleWatch& watch, const Workers& workers) {
  if (ranks.size == 1) return generate(denoiser, config, request, batch, watch, workers);
  // Passes that generate() would not cut either: on a GPU whole ones, on a CPU such as have rows enough.
  constexpr int64_t kRows = 16;
  const bool on_cpu = named_tensors(denoiser).front().second.is_cpu();
  const auto all = static_cast<int64_t>(request.seeds.size());
  const auto share_of = [&](int rank) {
    return share_of_passes(all, on_cpu ? std::min(kRows, batch) : batch, rank, ranks.size);
  };
  SampleResult result;
  together(ranks, [&] {
    const SampleWatch own = [&](int64_t done) {
      if (watch) watch(std::min(done * ranks.size, all));
    };
    result = generate(denoiser, config, part(request, share_of(ranks.rank)), batch, own, workers);
  });
  std::vector<int64_t> rows;
  for (int rank = 0; rank < ranks.size; ++rank) rows.push_back(share_of(rank).count);
  const auto collect = [&](const at::Tensor& mine) {
    const at::Tensor gathered = gather_on_first(ranks, mine, rows);
    return gathered.defined() ? gathered : mine;
  };
  result.samples = collect(result.samples);
  if (request.trajectory) result.trajectory = collect(result.trajectory);
  if (label_dim(denoiser) > 0) {
    const at::Tensor classes = collect(at::tensor(result.classes, at::kLong));
    result.classes.assign(classes.const_data_ptr<int64_t>(),
                          classes.const_data_ptr<int64_t>() + classes.numel());
  }
  return result;
}

}  // namespace onestep
