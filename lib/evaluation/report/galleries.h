// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "evaluation/evaluate.h"

/// Pictures of a subject as HTML; "" where it has none of the kind. They need pictures_style() once in the
/// page.
namespace onestep {

/// `count` images in an order that the seed fixes: what the generator really makes.
std::string random_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count);

/// A row of images a class, the first that were asked for (or, without labels, the first seen as it).
std::string class_gallery(const Evaluation& evaluation, const Subject& subject, int64_t columns);

/// The images with the largest influence on FID, each with I(x), its place in the set, the class asked and
/// the class seen; rows of a feature file as a table. "" where only statistics are known.
std::string harmful_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count);

/// The images in the fewest balls of the reference, none first, with the number of balls.
std::string sparse_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count);

/// Reference images in whose ball no image of the subject lies, chosen by seed.
std::string uncovered_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count);

/// Images beside the reference image that they are nearest to, the smallest ratio (nearest_ratio) first.
std::string nearest_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count);

/// Images that equal an earlier one, beside it.
std::string duplicate_gallery(const Evaluation& evaluation, const Subject& subject, int64_t count);

/// Pairs of one seed, subject | baseline, whose influences differ most: the subject does worse where `worse`,
/// better otherwise. "" unless the verdict is one of paired seeds.
std::string paired_gallery(const Evaluation& evaluation, bool worse, int64_t count);

/// The images at both ends of a direction, generated ones above those of the reference.
std::string direction_gallery(const Evaluation& evaluation, const Direction& direction, int64_t count);

}  // namespace onestep
