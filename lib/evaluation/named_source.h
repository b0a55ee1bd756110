// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "evaluation/evaluate_config.h"

/// What somebody means who names a source on a command line and no more. Files are told apart by what they
/// hold.
namespace onestep {

/// - fashion_mnist/train, fashion_mnist/test: Debian's copy;
/// - a folder or .zip of images, an .npz with images (arr_0), an idx file of images (its labels beside it, if
/// any);
/// - an .npz or .safetensors with features, or with mu and sigma;
/// - a model file (.safetensors).
/// Throws io::FileError for what is none of these. Opens no more than headers.
SubjectConfig subject_named(const std::string& source, const std::string& name);

/// The same without models: a reference is data.
ReferenceConfig reference_named(const std::string& source);

/// "inception:FILE", "classifier:FILE", "torchscript:FILE", "pixels", or a file alone, whose kind shows.
/// Throws config::ConfigError and io::FileError.
FeaturesConfig features_named(const std::string& text);

}  // namespace onestep
