// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>

#include "evaluation/sources.h"

namespace onestep {

/// All that can be known before the first feature is computed, so that it is told at an evaluation's start
/// rather than after half an hour: every model, feature file and first image of a set is opened, of subjects,
/// the reference and the trend; samplers are read; images have to suit the feature network, and features have
/// to be as wide as those of the reference; drawn images and covariances have to fit into memory; a folder
/// that onestep-sample wrote has to hold the samples that its samples.json tells of (check_samples). Throws
/// as `collect` does, and io::TooLittleMemory.
void check_inputs(const Collector& collector);

/// The same for one source alone, as onestep-evaluate stats takes it.
void check_input(const SubjectConfig& source, const Collector& collector);

/// Where a folder holds samples.json: throws io::FileError unless the images with a seed's name (000042.png,
/// also in sub-folders) are those of its seeds, no more and no fewer. Images of other names, such as
/// grid.png, are none of its business.
void check_samples(const std::filesystem::path& folder);

/// Bytes that fitting a Gaussian to n samples of d features and measuring from it take at once, about.
double bytes_of_fit(int64_t n, int64_t d);

}  // namespace onestep
