// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace onestep {

/// What a counter-based random draw is for: the word of the Philox counter that keeps streams with the same
/// seed and image index apart. Values are part of every run's reproducibility: append, never renumber.
enum class Purpose : uint32_t {
  data_order = 0,          ///< permutation of the training set in an epoch
  flip = 1,                ///< horizontal flips of training images
  sigma = 2,               ///< noise level of a denoising or discriminator sample
  noise = 3,               ///< the unit noise added to a clean image
  latent = 4,              ///< where a sampler starts, by seed
  class_label = 5,         ///< the class asked of a generator
  initial_weights = 6,     ///< network initialisation
  dropout = 7,             ///< dropout masks
  label_dropout = 8,       ///< labels hidden from a conditional network
  augmentation = 9,        ///< geometric augmentation
  subset = 10,             ///< which images of a set are used
  student_sigma = 11,      ///< noise level of the student's loss
  student_noise = 12,      ///< noise added to a student's image for its loss
  real_noise = 13,         ///< noise added to a real image for the discriminator
  student_latent = 14,     ///< a student's latent in training: never one that a sampler starts from
  student_step = 15,       ///< which step of several makes a student's image
  student_renoise = 16,    ///< noise between a student's steps in training
  perturbation = 17,       ///< of a noised real image, for the discriminator's gradient penalty
  pair_latent = 18,        ///< latents of the teacher's pairs for regression
  sampler_noise = 19,      ///< noise that a sampler adds on its way
  measurement = 20,        ///< noise of a measurement
  mixture_component = 21,  ///< the component of a point of an analytic mixture
  mixture_point = 22,      ///< where in its component the point lies
  projection = 23,         ///< directions along which sets of features are compared
  head_weights = 24,       ///< initialisation of a discriminator's heads
  mask = 25,               ///< which pixels a measurement hides
  particle_start = 26,     ///< what particles are at first
  pair_order = 27,         ///< permutation of the teacher's pairs in an epoch
  augmentation_size = 28,  ///< how much a geometric augmentation changes
  encoding = 29,           ///< noise of a latent about the mean that an autoencoder gives
};

/// The purpose as the word that kernels/philox.h takes.
constexpr uint32_t word(Purpose purpose) {
  return static_cast<uint32_t>(purpose);
}

}  // namespace onestep
