// SPDX-License-Identifier: Apache-2.0
#include "networks/foreign_autoencoder.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <c10/util/StringUtil.h>

#include "config/config.h"
#include "config/named_rows.h"
#include "config/suggest.h"
#include "io/file.h"
#include "io/folder.h"

namespace onestep {
namespace {

using Path = std::filesystem::path;

constexpr const char* kConfigFile = "config.json";
constexpr std::array kWeightFiles = {"diffusion_pytorch_model.safetensors",
                                     "diffusion_pytorch_model.fp16.safetensors"};
constexpr const char* kPickle = "diffusion_pytorch_model.bin";
constexpr uint64_t kLongestConfig = uint64_t{1} << 20;

/// What config.json of an AutoencoderKL says, diffusers' defaults where it says nothing. Features that are
/// not here are those that it must not have.
struct DiffusersKl {
  AutoencoderKlConfig autoencoder = {.block_out_channels = {64}, .layers_per_block = 1};
  std::string act_fn = "silu";
  std::vector<std::string> down_block_types = {"DownEncoderBlock2D"}, up_block_types = {"UpDecoderBlock2D"};
  bool force_upcast = true;
  std::optional<std::vector<double>> latents_mean, latents_std;
  std::optional<int64_t> sample_size;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    AutoencoderKlConfig::fields(c.autoencoder, visit);
    visit("act_fn", c.act_fn, "activation", config::one_of({"silu"}));
    visit("down_block_types", c.down_block_types, "of each resolution",
          config::one_of({"DownEncoderBlock2D"}));
    visit("up_block_types", c.up_block_types, "of each resolution", config::one_of({"UpDecoderBlock2D"}));
    visit("force_upcast", c.force_upcast, "that float16 is too narrow");
    visit("latents_mean", c.latents_mean, "of each channel");
    visit("latents_std", c.latents_std, "of each channel");
    visit("sample_size", c.sample_size, "of the images that it was trained with", config::between(1, 65536));
  }
  std::string problem() const {
    if (latents_mean || latents_std)
      return "latents_mean and latents_std are not known here: they must be null";
    const size_t levels = autoencoder.block_out_channels.size();
    if (down_block_types.size() != levels || up_block_types.size() != levels)
      return c10::str("block_out_channels has ", levels, " entries, down_block_types ",
                      down_block_types.size(), ", up_block_types ", up_block_types.size());
    return autoencoder.problem();
  }
};

/// The same of an AutoencoderTiny.
struct DiffusersTiny {
  AutoencoderTinyConfig autoencoder;
  std::string act_fn = "relu", upsample_fn = "nearest";
  std::vector<int64_t> encoder_block_out_channels = {64, 64, 64, 64};
  std::vector<int64_t> decoder_block_out_channels = {64, 64, 64, 64};
  std::optional<std::vector<int64_t>> block_out_channels;
  bool force_upcast = false;
  int64_t upsampling_scaling_factor = 2;
  double latent_magnitude = 3, latent_shift = 0.5;  // of latents that are to be 8-bit numbers; not used here

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    AutoencoderTinyConfig::fields(c.autoencoder, [&](const char* key, auto& member, const auto&... rest) {
      if (key != std::string_view("channels")) visit(key, member, rest...);
    });
    const auto width = config::between(1, 8192);
    visit("act_fn", c.act_fn, "activation", config::one_of({"relu"}));
    visit("upsample_fn", c.upsample_fn, "how maps are doubled", config::one_of({"nearest"}));
    visit("encoder_block_out_channels", c.encoder_block_out_channels, "channels at each resolution", width);
    visit("decoder_block_out_channels", c.decoder_block_out_channels, "channels at each resolution", width);
    visit("block_out_channels", c.block_out_channels, "channels at each resolution", width);
    visit("force_upcast", c.force_upcast, "that float16 is too narrow");
    visit("upsampling_scaling_factor", c.upsampling_scaling_factor, "between resolutions",
          config::between(2, 2));
    visit("latent_magnitude", c.latent_magnitude, "of latents in 8 bits", config::magnitude);
    visit("latent_shift", c.latent_shift, "of latents in 8 bits", config::magnitude);
  }
  std::string problem() const {
    const int64_t channels = encoder_block_out_channels.empty() ? 0 : encoder_block_out_channels.front();
    const std::vector<int64_t> encoder(autoencoder.num_encoder_blocks.size(), channels);
    const std::vector<int64_t> decoder(autoencoder.num_decoder_blocks.size(), channels);
    if (encoder_block_out_channels != encoder || decoder_block_out_channels != decoder)
      return "encoder_block_out_channels and decoder_block_out_channels must have one number, as often as "
             "num_encoder_blocks and num_decoder_blocks have entries";
    return autoencoder.problem();
  }
};

template <class Diffusers>
AutoencoderConfig read_config(const config::Node& json) {
  auto read = config::read<Diffusers>(json);
  if constexpr (requires { read.encoder_block_out_channels; })
    read.autoencoder.channels = read.encoder_block_out_channels.front();
  return read.autoencoder;
}

struct KnownClass {
  const char* name;
  AutoencoderConfig (*read)(const config::Node& json);
};
constexpr std::array kClasses = {KnownClass{"AutoencoderKL", read_config<DiffusersKl>},
                                 KnownClass{"AutoencoderTiny", read_config<DiffusersTiny>}};

/// Keys that say nothing about the network: diffusers' notes to itself, and a shift that isn't there.
bool says_nothing(const config::Node& value) {
  return value.key.starts_with("_") ||
         (value.key == "shift_factor" && value.kind == config::Node::Kind::null);
}

AutoencoderConfig config_in(const Path& folder) {
  const std::string text = io::read_file(folder / kConfigFile, kLongestConfig);
  try {
    config::Node json = config::parse(text, kConfigFile);
    const config::Node* const name = config::find(json, "_class_name");
    const KnownClass* const known = name != nullptr ? config::find_row(kClasses, name->text) : nullptr;
    if (known == nullptr)
      config::fail(name != nullptr ? *name : json, "_class_name",
                   "expected one of " + config::join(config::names_of(kClasses), ", ") + ", got " +
                       (name != nullptr ? config::shown(*name) : "nothing"));
    std::erase_if(json.children, says_nothing);
    return known->read(json);
  } catch (const config::ConfigError& error) {
    throw io::FileError(folder, error.what());
  }
}

Path weights_in(const Path& folder) {
  for (const char* const name : kWeightFiles)
    if (io::path_exists(folder / name)) return folder / name;
  if (io::path_exists(folder / kPickle))
    throw io::FileError(folder / kPickle,
                        std::string("a pickle, which is not read; save it as ") + kWeightFiles[0]);
  throw io::FileError(folder, std::string("it has no ") + kWeightFiles[0]);
}

/// "….to_q.weight" as it was until diffusers 0.18, "….query.weight"; any other name itself.
std::string old_name(const std::string& path) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kNames = {
      {{".to_q.", ".query."}, {".to_k.", ".key."}, {".to_v.", ".value."}, {".to_out.0.", ".proj_attn."}}};
  std::string name = path;
  for (const auto& [now, then] : kNames)
    if (const size_t place = path.find(now); place != std::string::npos)
      name.replace(place, now.size(), then);
  return name;
}

/// The file's tensors under names of its own, which must be all that it has.
template <class M, class Name>
M read_all(const io::TensorFile& file, const M& shapes, at::Device device, at::ScalarType dtype,
           const Name& name_in_file) {
  std::set<std::string> names;
  for (const std::string& path : tensor_names(shapes)) names.insert(name_in_file(path));
  refuse_others(file, names);
  return with_tensors_of(file, shapes, device, dtype, name_in_file);
}

constexpr std::string_view kEncoderEnd = "_encoder.safetensors", kDecoderEnd = "_decoder.safetensors";

/// "taesd_encoder.safetensors" with the end of its partner's name.
Path with_end(const Path& path, std::string_view end, std::string_view other_end) {
  std::string name = path.filename().string();
  name.replace(name.size() - end.size(), end.size(), other_end);
  return path.parent_path() / name;
}

/// How many rows or columns a tensor of TAESD has.
int64_t side(const io::TensorFile& file, const std::string& name, int64_t dim) {
  constexpr int64_t kMost = 8192;
  const at::Tensor& weight = file.at(name);
  if (weight.dim() != 4 || weight.size(dim) < 1 || weight.size(dim) > kMost)
    throw io::FileError(file.path, c10::str("tensor '", name, "' has shape ", weight.sizes(),
                                            ", which is no convolution of TAESD's"));
  return weight.size(dim);
}

/// "layers.3.conv.0.weight" → "3.conv.0.weight", the number greater by `shift`.
std::string sequence_name(const std::string& path, int shift) {
  constexpr std::string_view kPrefix = "layers.";
  const size_t dot = path.find('.', kPrefix.size());
  return std::to_string(std::stoi(path.substr(kPrefix.size(), dot)) + shift) + path.substr(dot);
}

}  // namespace

bool is_diffusers_folder(const Path& path) {
  std::error_code none;
  return std::filesystem::is_directory(path, none) && io::path_exists(path / kConfigFile);
}

Codec read_diffusers_autoencoder(const Path& folder, at::Device device, at::ScalarType dtype) {
  const Codec shapes = make_codec(config_in(folder), 0, at::kMeta);
  const io::TensorFile file = io::read_safetensors(weights_in(folder));
  return read_all(file, shapes, device, dtype, [&](const std::string& path) {
    return file.has(path) || !file.has(old_name(path)) ? path : old_name(path);
  });
}

std::optional<TaesdFiles> taesd_files(const Path& path) {
  std::error_code none;
  if (std::filesystem::is_directory(path, none)) {
    for (const Path& entry : io::entries_of(path))
      if (!std::filesystem::is_directory(entry, none))
        if (auto files = taesd_files(entry)) return files;
    return {};
  }
  const std::string name = path.filename().string();
  if (name.ends_with(kEncoderEnd)) return TaesdFiles{path, with_end(path, kEncoderEnd, kDecoderEnd)};
  if (name.ends_with(kDecoderEnd)) return TaesdFiles{with_end(path, kDecoderEnd, kEncoderEnd), path};
  return {};
}

Codec read_taesd(const TaesdFiles& files, at::Device device, at::ScalarType dtype) {
  const io::TensorFile encoder = io::read_safetensors(files.encoder);
  const io::TensorFile decoder = io::read_safetensors(files.decoder);
  AutoencoderTinyConfig config;
  config.channels = side(encoder, "0.weight", 0);
  config.in_channels = side(encoder, "0.weight", 1);
  config.latent_channels = side(encoder, "14.weight", 0);
  config.out_channels = side(decoder, "19.weight", 0);
  AutoencoderTiny m = make_network(config, 0, at::kMeta);
  m.encoder = read_all(encoder, m.encoder, device, dtype,
                       [](const std::string& path) { return sequence_name(path, 0); });
  m.decoder = read_all(decoder, m.decoder, device, dtype,
                       [](const std::string& path) { return sequence_name(path, 1); });
  return {.form = std::move(m)};
}

}  // namespace onestep
