// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <new>

#include <ATen/Parallel.h>

#include "kernels/portable.h"
#include "kernels/winograd_conv_core.h"
#include "kernels/winograd_conv_tiles.h"

namespace onestep::kernels {
namespace {

using namespace winograd;

/// The arithmetic on images of Real, compiled for one set of instructions.
template <class Real>
struct Copy {
  int64_t lanes, rows;
  decltype(&Arithmetic<4>::transform_weights) transform_weights;
  decltype(&Arithmetic<4>::transform_back) transform_back;
  decltype(&Arithmetic<4>::read_patches<Real>) read_patches;
  decltype(&Arithmetic<4>::read_outputs<Real>) read_outputs;
  decltype(&Arithmetic<4>::convolve<Real>) convolve;
  decltype(&Arithmetic<4>::correlate) correlate;
};

#define ONESTEP_STEP(step, ...)             \
  template <class... Args>                  \
  __VA_ARGS__ static void step(Args... a) { \
    A::step(a...);                          \
  }
#define ONESTEP_COPY(name, lanes, ...)                                                              \
  struct name {                                                                                     \
    using A = Arithmetic<lanes>;                                                                    \
    ONESTEP_STEP(transform_weights, __VA_ARGS__)                                                    \
    ONESTEP_STEP(transform_back, __VA_ARGS__)                                                       \
    ONESTEP_STEP(read_patches, __VA_ARGS__)                                                         \
    ONESTEP_STEP(read_outputs, __VA_ARGS__)                                                         \
    ONESTEP_STEP(convolve, __VA_ARGS__)                                                             \
    ONESTEP_STEP(correlate, __VA_ARGS__)                                                            \
    template <class Real>                                                                           \
    static constexpr Copy<Real> copy{lanes,        A::kRows,     transform_weights, transform_back, \
                                     read_patches, read_outputs, convolve,          correlate};     \
  };
ONESTEP_COPY(Baseline, 4)
#ifdef __x86_64__
ONESTEP_COPY(Avx2, 8, __attribute__((target("avx2,fma"))))
ONESTEP_COPY(Avx512, 16, __attribute__((target("avx512f"))))
#endif
#undef ONESTEP_COPY
#undef ONESTEP_STEP

template <class Real>
const Copy<Real>& copy_for(WinogradTarget target) {
#ifdef __x86_64__
  if (target == WinogradTarget::avx512) return Avx512::copy<Real>;
  if (target == WinogradTarget::avx2) return Avx2::copy<Real>;
#endif
  (void)target;
  return Baseline::copy<Real>;
}

/// Memory for numbers that are written before they are read.
class Scratch {
 public:
  explicit Scratch(int64_t floats)
      : data_(static_cast<float*>(::operator new(floats * sizeof(float), kAlignment))) {}
  float* get() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(float* p) const { ::operator delete(p, kAlignment); }
  };
  std::unique_ptr<float, Free> data_;
};

constexpr int64_t kGrain = 1 << 20;  // products: some ten microseconds of work

/// The fewest of what takes `products` each that are worth a thread.
int64_t grain(int64_t products) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, products));
}

struct Sides {
  Grid in, out;
};
Sides sides(const WinogradShape& s) {
  return {{s.images, s.height, s.width, s.in}, {s.images, s.height, s.width, s.out}};
}

/// The weights with a row for each input channel.
WeightView by_input(const WinogradShape& s) {
  return {s.in, s.weight.in, s.weight.out, s.weight.tap};
}

/// Tiles that are worked on at a time: their patches take half of a usual second-level cache.
int64_t block_size(int64_t tiles, int64_t stride, int64_t rows) {
  constexpr int64_t kFloats = 1 << 17;
  const int64_t fitting = kFloats / (kPositions * stride) / rows * rows;
  return std::min(rounded_up(std::max<int64_t>(tiles, 1), rows), std::clamp<int64_t>(fitting, rows, 96));
}

template <class Real>
void convolve(const Copy<Real>& copy, const Sides& sides, const Real* x, const float* weight,
              const WeightView& view, const float* bias, Real* y) {
  const Panels panels{sides.in.channels, sides.out.channels, copy.lanes};
  const Scratch weights(panels.size());
  at::parallel_for(0, panels.count(), grain(panels.rows * kPositions * 4 * copy.lanes),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t panel = begin; panel < end; ++panel)
                       copy.transform_weights(weight, view, panels, panel, weights.get());
                   });
  const int64_t tiles = sides.in.tiles(), stride = rounded_up(sides.in.channels, copy.lanes);
  const int64_t block = block_size(tiles, stride, copy.rows);
  const Convolution<Real> call{sides.in, sides.out, x, weights.get(), bias, y, panels, block};
  const int64_t floats = kPositions * copy.rows * 2 * copy.lanes + kPatch * stride +
                         Patches(block, sides.in.channels, copy.lanes).size();
  const int64_t products = block * kPositions * sides.in.channels * sides.out.channels;
  at::parallel_for(0, (tiles + block - 1) / block, grain(products), [&](int64_t begin, int64_t end) {
    const Scratch scratch(floats);
    for (int64_t first = begin * block; first < std::min(end * block, tiles); first += block)
      copy.convolve(call, first, std::min(block, tiles - first), scratch.get());
  });
}

}  // namespace

template <class Real>
void winograd_conv_cpu(WinogradTarget target, const WinogradShape& s, const Real* x, const float* weight,
                       const float* bias, Real* y) {
  convolve(copy_for<Real>(target), sides(s), x, weight, by_input(s), bias, y);
}

template <class Real>
void winograd_conv_grad_x_cpu(WinogradTarget target, const WinogradShape& s, const Real* grad_y,
                              const float* weight, Real* grad_x) {
  const auto [in, out] = sides(s);
  const auto [of_out, of_in, of_tap] = s.weight;
  const WeightView view{s.out, of_out, of_in, of_tap, /*turned=*/true};
  convolve(copy_for<Real>(target), {out, in}, grad_y, weight, view, nullptr, grad_x);
}

template <class Real>
void winograd_conv_grad_weight_cpu(WinogradTarget target, const WinogradShape& s, const Real* x,
                                   const Real* grad_y, float* grad_weight) {
  const Copy<Real>& copy = copy_for<Real>(target);
  const auto [in, out] = sides(s);
  const int64_t tiles = in.tiles();
  if (tiles == 0) {
    std::fill_n(grad_weight, s.out * s.in * 9, 0.0f);
    return;
  }
  // As many as keep the sums of a position, which each block reads and writes, small beside its products.
  const int64_t block = std::min<int64_t>(tiles, 96);
  const Patches read(block, s.in, copy.lanes), come_back(block, s.out, copy.lanes);
  const Panels panels{read.stride, s.out, copy.lanes};
  const Scratch from_x(read.size()), from_y(come_back.size()), grad(panels.size());
  const int64_t zero_count = kPatch * std::max(read.stride, come_back.stride);
  const Scratch zeros(zero_count);
  std::fill_n(zeros.get(), zero_count, 0.0f);
  for (int64_t first = 0; first < tiles; first += block) {
    const int64_t count = std::min(block, tiles - first);
    at::parallel_for(0, count, grain(kPositions * 8 * (s.in + s.out)), [&](int64_t begin, int64_t end) {
      copy.read_patches(x, in, first + begin, end - begin, zeros.get(), read,
                        from_x.get() + begin * read.stride);
      copy.read_outputs(grad_y, out, first + begin, end - begin, zeros.get(), come_back,
                        from_y.get() + begin * come_back.stride);
    });
    at::parallel_for(0, kPositions, grain(count * s.in * s.out), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p)
        copy.correlate(from_x.get(), read, from_y.get(), come_back, count, panels, p, /*adds=*/first > 0,
                       grad.get());
    });
  }
  const WeightView view = by_input(s);
  at::parallel_for(0, panels.count(), grain(panels.rows * kPositions * 4 * copy.lanes),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t panel = begin; panel < end; ++panel)
                       copy.transform_back(grad.get(), view, panels, panel, grad_weight);
                   });
}

#define ONESTEP_WINOGRAD(Real)                                                                            \
  template void winograd_conv_cpu(WinogradTarget, const WinogradShape&, const Real*, const float*,        \
                                  const float*, Real*);                                                   \
  template void winograd_conv_grad_x_cpu(WinogradTarget, const WinogradShape&, const Real*, const float*, \
                                         Real*);                                                          \
  template void winograd_conv_grad_weight_cpu(WinogradTarget, const WinogradShape&, const Real*,          \
                                              const Real*, float*);
ONESTEP_WINOGRAD(float)
ONESTEP_WINOGRAD(BFloat16)
#undef ONESTEP_WINOGRAD

}  // namespace onestep::kernels
