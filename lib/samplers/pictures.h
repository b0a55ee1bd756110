// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>

#include <ATen/core/Tensor.h>

#include "data/encoded.h"
#include "networks/codec.h"
#include "parallel/workers.h"

/// The one way between pictures and what a model draws.
namespace onestep {

/// The shape of the pictures of samples of that shape. Throws c10::Error where they are no latents of it.
ImageShape picture_shape(const Codec& codec, const ImageShape& samples);

/// Whether that is a picture's: grey or RGB, and more than one pixel. Points and latents are none.
bool is_picture(const ImageShape& shape);

/// Pictures [N, C, H, W] on the CPU, about in [−1, 1], of samples [N, c, h, w] as a model draws them, in
/// their dtype: decoded in float32, passes shared by the workers; of pixels the samples themselves. A picture
/// does not depend on the others. No gradients. Throws NumericalError for NaN and infinity.
at::Tensor pictures_of(const Codec& codec, const at::Tensor& samples, const Workers& workers = {});

/// Throws io::FileError, naming `autoencoder`, the codec's file, where it doesn't take and give such
/// pictures.
void require_reconstructible(const Codec& codec, const ImageShape& pictures,
                             const std::filesystem::path& autoencoder);

/// Pictures, uint8 or float, as the autoencoder gives them back from the means of their latents, likewise.
at::Tensor reconstructions_of(const Codec& codec, const at::Tensor& pictures, const Workers& workers = {});

/// What makes latents of a data set's pictures; it shares the codec's weights.
Encoder encoder_of(const Codec& codec);

}  // namespace onestep
