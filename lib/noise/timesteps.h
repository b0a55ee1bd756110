// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace onestep {

/// A discrete schedule as its noise levels: σ of the timesteps 0 … 999, rising, float64, from ᾱ_t = Π (1−β_s)
/// by σ = √((1−ᾱ)/ᾱ).
///   sd           β linear in its square root, 0.00085 to 0.012: Stable Diffusion
///   sd_zero_snr  the same, √ᾱ shifted and scaled to end in 0 (Lin et al. 2024). Its last level is infinite;
///                4096 stands for it (ᾱ = 2⁻²⁴), as in diffusers
///   ddpm_linear  β linear, 0.0001 to 0.02: DDPM, ADM, DiT
///   cosine       ᾱ(t) = cos²((t + 0.008)/1.008 π/2), β at most 0.999 (Nichol & Dhariwal 2021); the same
///   levels
///                as iDDPM's u_j (Karras et al. 2022, table 1)
/// Throws c10::Error for another name.
std::vector<double> schedule_levels(const std::string& schedule);
std::vector<std::string> schedule_names();

/// In a configuration: whatever schedule goes with the rest of it.
inline constexpr const char* kOwnSchedule = "own";
std::vector<std::string> schedule_choices();  ///< "own", and schedule_names()
/// Whether its last step is pure noise.
bool ends_in_pure_noise(const std::string& schedule);

/// Timesteps are told between neighbouring ones, or the nearest of them in ln σ or in σ.
enum class Timestep { interpolated, nearest_log, nearest };

/// The timestep of σ among `levels` (float64 [T], rising, on σ's device): linear in ln σ between two
/// neighbours, 0 and T−1 beyond the ends. `sigma` [N], the result in its dtype.
at::Tensor timestep_of(const at::Tensor& sigma, const at::Tensor& levels, Timestep rounding);

}  // namespace onestep
