// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

namespace onestep {

/// Images, and what a network is told of how they were changed: a network that knows can learn from more
/// than the data, and be asked for images as the data are, with labels of 0.
struct Augmented {
  at::Tensor images, labels;  ///< [n, C, H, W], and [n, 9] or undefined
};

inline constexpr int64_t kAugmentationLabels = 9;
inline constexpr int64_t kSmallestAugmented = 8;  ///< height and width, in pixels

/// Throws config::ConfigError naming `key` where a network for such images, with `augment_dim` labels, can't
/// learn from augmented ones.
void require_augmentable(const std::string& key, int64_t augment_dim, int64_t height, int64_t width);

/// Geometric augmentation (Karras et al. 2022, appendix F.2). A mirror image of every other one; each with
/// probability `share` upside down (or not, evenly), scaled by 2^(0.2 a), turned by an angle, stretched by
/// 2^(0.2 a) along an axis and squeezed across it, moved by a/8 of its size each way, a unit normal. Labels:
/// mirrored, upside down, a of the scale, cos − 1 and sin of the turn, a (cos, sin) of the stretch's axis, a
/// of the moves (a squeeze has the labels of a stretch the other way round, as there). Images are sampled
/// bilinearly at twice the resolution, between low passes of the wavelet sym6, and go on as their own
/// reflections.
///
/// images float [n, C, H, W] of kSmallestAugmented at least, without gradient; indices int64 [n], by which
/// and `seed` all is drawn. Without a share the images themselves, and no labels. No round trip to the host.
Augmented augment(const at::Tensor& images, double share, uint64_t seed, const at::Tensor& indices);

}  // namespace onestep
