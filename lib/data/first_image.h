// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "data/dataset.h"

namespace onestep {

/// The configuration that reads the first image alone, where the kind of set can be limited: enough to know
/// shape and classes, which are counted before the limit takes images away.
DatasetConfig first_image_of(DatasetConfig config);

/// A set for plans: shape and classes are those of the configured set, and every image is its first one, in
/// the memory of one. Points are read as they are. Throws io::FileError as load_dataset does.
Dataset outline_of_dataset(const DatasetConfig& config, const EncodingContext& encoding = {});

}  // namespace onestep
