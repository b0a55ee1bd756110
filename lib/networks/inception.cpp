// SPDX-License-Identifier: Apache-2.0
#include "networks/inception.h"

#include <algorithm>
#include <string_view>

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mkldnn_reorder_conv2d_weight.h>
#include <ATen/ops/relu.h>

#include "kernels/resize_tf1.h"

namespace onestep {
namespace {

constexpr double kEps = 1e-3;

enum class Activation { none, relu };

/// Convolution, bias and ReLU in one pass of oneDNN: LibTorch has it as an operator of its compiler, without
/// a C++ function of its own.
at::Tensor packed_conv(const InceptionConv& m, const at::Tensor& x, Activation activation) {
  using Op = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                        at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t, std::string_view,
                        c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_convolution_pointwise", "").typed<Op>();
  return op.call(x, m.weight, m.bias, m.padding, {m.stride, m.stride}, {1, 1}, 1,
                 activation == Activation::relu ? "relu" : "none", c10::List<std::optional<at::Scalar>>(),
                 "");
}

at::Tensor conv(const InceptionConv& m, const at::Tensor& x, Activation activation = Activation::relu) {
  if (m.prepared) return kernels::conv_relu(*m.prepared, x);
  if (m.weight.is_mkldnn()) return packed_conv(m, x, activation);
  at::Tensor y = at::conv2d(x, m.weight, m.bias, m.stride, m.padding);
  if (m.norm) {
    y = at::batch_norm(y, m.norm->weight, m.norm->bias, m.norm->running_mean, m.norm->running_var,
                       /*training=*/false, /*momentum=*/0, kEps, /*cudnn_enabled=*/true);
  }
  return activation == Activation::relu ? y.relu_() : y;
}

at::Tensor average(const at::Tensor& x) {
  return at::avg_pool2d(x, 3, 1, 1, /*ceil_mode=*/false, /*count_include_pad=*/false);
}

/// Appends the branch's outputs, of which a fork has two.
void run(const InceptionBranch& m, at::Tensor x, std::vector<at::Tensor>& outputs) {
  if (m.pool == InceptionPool::average) {
    // The mean over pixels commutes with a 1 × 1 convolution and its bias, and is cheaper on fewer channels.
    outputs.push_back(average(conv(m.convs.front(), x, Activation::none)).relu_());
    return;
  }
  if (m.pool == InceptionPool::max) x = at::max_pool2d(x, 3, 1, 1);
  if (m.pool == InceptionPool::max_halving) x = at::max_pool2d(x, 3, 2);
  const size_t chain = m.convs.size() - (m.fork ? 2 : 0);
  for (size_t i = 0; i < chain; ++i) x = conv(m.convs[i], x);
  if (!m.fork) outputs.push_back(x);
  for (size_t i = chain; i < m.convs.size(); ++i) outputs.push_back(conv(m.convs[i], x));
}

at::Tensor forward(const InceptionBlock& m, const at::Tensor& x) {
  std::vector<at::Tensor> outputs;
  for (const InceptionBranch& branch : m.branches) run(branch, x, outputs);
  return outputs.size() == 1 ? outputs.front() : at::cat(outputs, 1);
}

/// Rewrites each convolution of the block.
template <class Change>
void change_convs(InceptionBlock& block, Change&& change) {
  for (InceptionBranch& branch : block.branches) {
    for (InceptionConv& conv : branch.convs) change(conv);
  }
}

/// The block's weights for passes of this many images.
void pack(InceptionBlock& block, int64_t images) {
  change_convs(block, [&](InceptionConv& conv) {
    TORCH_CHECK(!conv.norm && conv.weight.scalar_type() == at::kFloat,
                "pack_for_cpu: needs float32 weights with batch norm folded");
    if (conv.stride == 1) conv.prepared = kernels::prepare_conv(conv.weight, conv.bias, conv.padding);
    if (conv.prepared) {
      conv.weight = conv.bias = at::Tensor();
      return;
    }
    conv.weight = at::mkldnn_reorder_conv2d_weight(
        conv.weight.to_mkldnn(), conv.padding, {conv.stride, conv.stride}, {1, 1}, /*groups=*/1,
        at::IntArrayRef{images, conv.weight.size(1), conv.side, conv.side});
  });
}

/// The block that ends those with large activations and small weights.
constexpr std::string_view kLastOfImageByImage = "Mixed_5d";

/// First 7 channels of Mixed_6d, which are its 1 × 1 branch's, as the evaluation code of Dhariwal & Nichol
/// 2021 takes them: [B, 768, 17, 17] → [B, 17 · 17 · 7].
at::Tensor spatial_features(const at::Tensor& mixed_6d) {
  return mixed_6d.narrow(1, 0, 7).permute({0, 2, 3, 1}).contiguous().flatten(1);
}

}  // namespace

Inception fold_batch_norm(const Inception& m) {
  const c10::NoGradGuard no_grad;
  const auto fold = [](InceptionConv& conv) {
    if (!conv.norm) return;
    const auto dtype = conv.weight.scalar_type();
    const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
    const at::Tensor scale = wide(conv.norm->weight) * (wide(conv.norm->running_var) + kEps).rsqrt();
    conv.weight = (wide(conv.weight) * scale.view({-1, 1, 1, 1})).to(dtype);
    conv.bias = (wide(conv.norm->bias) - wide(conv.norm->running_mean) * scale).to(dtype);
    conv.norm.reset();
  };
  Inception folded = m;
  for (InceptionBlock& block : folded.blocks) change_convs(block, fold);
  return folded;
}

Inception pack_for_cpu(const Inception& m, int64_t images_per_pass) {
  if (!at::hasMKLDNN()) return m;
  const c10::NoGradGuard no_grad;
  Inception packed = m;
  packed.images_per_pass = images_per_pass;
  bool image_by_image = true;
  for (InceptionBlock& block : packed.blocks) {
    block.image_by_image = image_by_image;
    pack(block, image_by_image ? 1 : images_per_pass);
    if (block.name == kLastOfImageByImage) image_by_image = false;
  }
  return packed;
}

Inception load_inception(const std::filesystem::path& path, at::Device device) {
  const Inception m = clone(fold_batch_norm(read_inception(path)), device);
  return device.is_cpu() ? pack_for_cpu(m) : m;
}

InceptionOutput inception_resized(const Inception& m, const at::Tensor& images, const InceptionTap& tap) {
  const c10::NoGradGuard no_grad;
  const bool channels_last = m.images_per_pass > 0;  // packed: what it is fastest on
  at::Tensor x = channels_last ? images.contiguous(at::MemoryFormat::ChannelsLast) : images;
  InceptionOutput out;
  const auto run = [&](const InceptionBlock* begin, const InceptionBlock* end, at::Tensor seen) {
    for (const InceptionBlock* block = begin; block != end; ++block) {
      seen = forward(*block, seen);
      if (block->name == "Mixed_6d") out.spatial = spatial_features(seen);
      if (tap) tap(block->name, seen);
    }
    return seen;
  };
  const InceptionBlock *const begin = m.blocks.data(), *const end = begin + m.blocks.size(),
                              *const rest = std::find_if(begin, end, [](const InceptionBlock&block) {
                                return !block.image_by_image;
                              });
  if (rest != begin) {
    std::vector<at::Tensor> parts;
    for (const at::Tensor& image : x.split(1)) parts.push_back(run(begin, rest, image));
    x = at::cat(parts);
  }
  out.pool = run(rest, end, x).mean({2, 3});
  out.logits = forward(Linear{.weight = m.fc.weight}, out.pool);
  return out;
}

InceptionOutput inception(const Inception& m, const at::Tensor& images, const InceptionTap& tap) {
  const int64_t pass = m.images_per_pass > 0 ? m.images_per_pass : std::max<int64_t>(images.size(0), 1);
  std::vector<at::Tensor> pool, spatial, logits;
  for (const at::Tensor& part : images.split(pass)) {
    const at::Tensor resized = kernels::resize_tf1(part).to(m.fc.weight.scalar_type());
    InceptionOutput out = inception_resized(m, resized, tap);
    pool.push_back(std::move(out.pool));
    spatial.push_back(std::move(out.spatial));
    logits.push_back(std::move(out.logits));
  }
  return {at::cat(pool), at::cat(spatial), at::cat(logits)};
}

}  // namespace onestep
