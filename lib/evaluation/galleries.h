// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "evaluation/evaluate.h"

/// Pictures of a subject as HTML; "" where it has no images. They need galleries_style() once in the page.
namespace onestep {

std::string galleries_style();

/// `count` images in an order that the seed fixes: what the generator really makes.
std::string random_gallery(const Subject& subject, int64_t seed, int64_t count);

/// A row of images a class, the first that were asked for (or, without labels, the first seen as it).
std::string class_gallery(const Evaluation& evaluation, const Subject& subject, int64_t columns);

/// The images with the largest influence on FID, each with I(x), its place in the set, the class asked and
/// the class seen; rows of a feature file as a table.
std::string harmful_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count);

/// "Trouser", or "class 1" where names are not known.
std::string class_name(const Evaluation& evaluation, int64_t index);

}  // namespace onestep
