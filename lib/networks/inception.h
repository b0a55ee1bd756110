// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "kernels/prepared_conv.h"
#include "networks/layers.h"

/// The Inception network of FID: Inception-v3 as TensorFlow released it on 2015-12-05 (Szegedy et al.,
/// "Rethinking the Inception architecture", 2015; Heusel et al. 2017), which differs from later ones in its
/// pools, its resize and its 1008 classes. `inception_table.cpp` draws the architecture.
namespace onestep {

/// ReLU(BN(W ∗ x)), BN(z) = weight · (z − running_mean)/√(running_var + 1e-3) + bias, statistics fixed.
/// Folded, W and one bias have taken the normalisation in, and no `norm` is left.
struct InceptionConv {
  struct Norm {
    at::Tensor weight, bias, running_mean, running_var;  ///< [out] each
    template <class Self, class Visit>
    static void parameters(Self& m, Visit&& visit) {
      visit("weight", m.weight);
      visit("bias", m.bias);
      visit("running_mean", m.running_mean, kBuffer);
      visit("running_var", m.running_var, kBuffer);
    }
  };

  std::string name;         ///< as pytorch-fid and torch-fidelity have it, "Mixed_5b.branch1x1"
  std::string google_name;  ///< as TensorFlow and NVIDIA have it, "mixed.conv"
  at::Tensor weight;        ///< [out, in, height, width]
  at::Tensor bias;          ///< [out], only when folded
  std::optional<Norm> norm;
  std::optional<kernels::PreparedConv>
      prepared;      ///< packed where that is fastest: in the place of weight and bias
  int64_t side = 0;  ///< height and width of its input
  int64_t stride = 1;
  std::array<int64_t, 2> padding = {0, 0};

  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("conv.weight", m.weight);
    visit("conv.bias", m.bias);
    visit("bn", m.norm);
  }
};

/// A chain of convolutions behind a pool. With `fork`, the chain's last two both read the one before them,
/// and their outputs stand side by side.
enum class InceptionPool { none, average, max, max_halving };
struct InceptionBranch {
  std::vector<InceptionConv> convs;
  InceptionPool pool = InceptionPool::none;
  bool fork = false;
};

/// Branches that read the same input; their outputs are concatenated.
struct InceptionBlock {
  std::string name;
  std::vector<InceptionBranch> branches;
  bool image_by_image =
      false;  ///< the images of a pass go through it and those before it one after the other
};

struct Inception {
  std::vector<InceptionBlock> blocks;  ///< one after the other
  Linear fc;                           ///< 2048 → 1008
  int64_t images_per_pass = 0;         ///< more images go through one after the other; 0: all at once
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    for (auto& block : m.blocks) {
      for (auto& branch : block.branches) {
        for (auto& conv : branch.convs) visit(conv.name, conv);
      }
    }
    visit("fc", m.fc);
  }
};

/// The architecture with unfolded normalisation and uninitialised float32 weights; on at::kMeta shapes alone.
Inception make_inception(at::Device device = at::kCPU);

/// The network of a safetensors file as it stands there: not folded, float32, CPU. Names are pytorch-fid's
/// (`Mixed_5b.branch1x1.conv.weight`, `.bn.…`, `fc.weight`) or those of NVIDIA's inception-2015-12-05 file
/// (`layers.mixed.conv.weight`, `.beta`, `.mean`, `.var`, `output.weight`; no scale, which is 1). A tensor
/// that is missing, unknown, of another shape, not floating or not finite, and a variance below 0, are an
/// io::FileError naming file and tensor.
Inception read_inception(const std::filesystem::path& path);

/// The same function with batch norm folded into the convolutions, computed in float64.
Inception fold_batch_norm(const Inception& m);

/// The same function for float32 on the CPU: weights transformed for kernels/prepared_conv.h where that is
/// faster, else in the layout that oneDNN wants for passes of this many images and the present number of
/// threads (others work, more slowly). Blocks with large activations and small weights take an image at a
/// time, so that caches hold them. The weights serve the forward pass only (no `clone`, no saving). Returns m
/// itself where LibTorch has no oneDNN. Needs folded weights.
Inception pack_for_cpu(const Inception& m, int64_t images_per_pass = 16);

/// Reads, folds and moves to the device, packed on the CPU: ready to run.
Inception load_inception(const std::filesystem::path& path, at::Device device);

struct InceptionOutput {
  at::Tensor pool;  ///< [B, 2048], FID's features
  at::Tensor
      spatial;  ///< [B, 2023], sFID's: 7 channels of Mixed_6d's first branch at 17 × 17, flattened [y, x, c]
  at::Tensor logits;  ///< [B, 1008], IS's; without the output's bias, as the score has always been computed
};

/// Sees the output of every block, by name: of each pass, or of each of its images, in order.
using InceptionTap = std::function<void(const std::string& block, const at::Tensor& activation)>;

/// images: uint8 [B, C, H, W], C = 1 or 3, of any size (kernels/resize_tf1.h). Outputs have the weights'
/// dtype and device; no gradient. Memory goes with B: about 12 MB an image.
InceptionOutput inception(const Inception& m, const at::Tensor& images, const InceptionTap& tap = {});

/// The same in one pass, of images that are already [B, 3, 299, 299] in [−1, 1), in the weights' dtype.
InceptionOutput inception_resized(const Inception& m, const at::Tensor& images, const InceptionTap& tap = {});

}  // namespace onestep
