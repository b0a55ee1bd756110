// SPDX-License-Identifier: Apache-2.0
// Autoencoders' files: ours, diffusers' folders, TAESD's pair, and what is none of them.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "golden_file.h"
#include "kernels/philox.h"
#include "networks/autoencoder_folder.h"
#include "networks/codec.h"
#include "networks/model_codec.h"

using namespace onestep;
using Catch::Matchers::Contains;
using test::AutoencoderFolder;
using Json = nlohmann::ordered_json;

namespace {

AutoencoderFolder golden_folder(const std::string& name) {
  return test::folder_of(test::golden_file("networks/" + name));
}

/// The same configuration and the same bits.
bool same(const Codec& a, const Codec& b) {
  const io::TensorFile left = model_file(a), right = model_file(b);
  if (left.metadata != right.metadata || left.tensors.size() != right.tensors.size()) return false;
  for (const auto& [name, tensor] : left.tensors)
    if (!right.has(name) || !at::equal(tensor, right.at(name))) return false;
  return true;
}

void replace(std::string& text, const std::string& what, const std::string& by) {
  if (const size_t place = text.find(what); place != std::string::npos) text.replace(place, what.size(), by);
}

at::Tensor& tensor(AutoencoderFolder& folder, const std::string& name) {
  return std::ranges::find(folder.tensors, name, [](const auto& named) { return named.first; })->second;
}

/// What is said of a golden folder that `change` has changed.
template <class Change>
std::string refusal(const std::string& name, const Change& change) {
  AutoencoderFolder folder = golden_folder(name);
  change(folder);
  return file_error([&] { test::loaded(folder); });
}

std::string refused_config(const std::string& name, const std::string& key, const Json& value) {
  return refusal(name, [&](AutoencoderFolder& folder) { folder.config[key] = value; });
}

/// TAESD's two files as their author names tensors.
void write_taesd(const std::filesystem::path& folder, const AutoencoderFolder& of) {
  NamedTensors encoder, decoder;
  for (const auto& [name, tensor] : of.tensors) {
    const size_t number = name.find(".layers.") + 8, end = name.find('.', number);
    const int layer = std::stoi(name.substr(number, end - number));
    if (name.starts_with("encoder"))
      encoder.emplace_back(name.substr(number), tensor);
    else
      decoder.emplace_back(std::to_string(layer + 1) + name.substr(end), tensor);
  }
  io::write_safetensors(folder / "taesd_encoder.safetensors", encoder);
  io::write_safetensors(folder / "taesd_decoder.safetensors", decoder);
}

}  // namespace

TEST_CASE("An autoencoder's model file gives it back", "[codec]") {
  const TemporaryFolder folder;
  for (const std::string& name : test::autoencoder_cases()) {
    INFO(name);
    const Codec codec =
        with_latent_scaling(test::golden_codec(name), {.scaling_factor = 0.7, .shift_factor = -0.1});
    // As people call it; TAESD's files end alike.
    for (const char* file : {"autoencoder.safetensors", "my_encoder.safetensors"}) {
      const auto path = folder / file;
      save_codec(path, codec, {{"note", "kept"}});
      const Codec back = load_codec(path, at::kCPU);
      CHECK(same(back, codec));
      CHECK(latent_scaling(back) == LatentScaling{0.7, -0.1});
      CHECK(io::read_safetensors_metadata(path).at("note") == "kept");
      CHECK(named_tensors(load_codec(path, at::kCPU, at::kDouble)).front().second.scalar_type() ==
            at::kDouble);
    }
  }
}

TEST_CASE("What is no model file of an autoencoder says so", "[codec]") {
  const TemporaryFolder folder;
  const auto message = [&](const std::map<std::string, std::string>& metadata, const NamedTensors& tensors) {
    io::write_safetensors(folder / "model.safetensors", tensors, metadata);
    return file_error([&] { load_codec(folder / "model.safetensors", at::kCPU); });
  };
  const io::TensorFile good = model_file(test::golden_codec("vae_tiny"));
  CHECK(message(good.metadata, good.tensors).empty());
  CHECK_THAT(message({}, good.tensors), Contains("model.safetensors") && Contains("lacks 'onestep.codec'"));
  CHECK_THAT(message({{"onestep.codec", R"({"kind": "vq"})"}}, good.tensors),
             Contains("onestep.codec") && Contains("vq"));
  CHECK_THAT(message({{"onestep.codec", R"({"kind": "kl", "block_out_channels": [1e9]})"}}, good.tensors),
             Contains("block_out_channels"));
  CHECK_THAT(message({{"onestep.codec", "{"}}, good.tensors), Contains("onestep.codec"));
  NamedTensors more = good.tensors, fewer = good.tensors;
  more.emplace_back("encoder.layers.99.weight", at::zeros({1}));
  fewer.erase(fewer.begin());
  CHECK_THAT(message(good.metadata, more), Contains("lacks a place for 'encoder.layers.99.weight'"));
  CHECK_THAT(message(good.metadata, fewer), Contains("encoder.layers.0.weight"));
  CHECK_THAT(file_error([&] { load_codec(folder / "none", at::kCPU); }), Contains("none"));
  CHECK_THAT(file_error([&] { load_codec(folder.path(), at::kCPU); }), Contains("neither config.json nor"));
}

TEST_CASE("Older names and missing keys of a diffusers folder mean the same", "[codec]") {
  const AutoencoderFolder now = golden_folder("vae_kl_tiny");
  AutoencoderFolder then = now;
  for (const char* key : {"scaling_factor", "shift_factor", "force_upcast", "latents_mean", "latents_std",
                          "mid_block_add_attention", "use_quant_conv", "use_post_quant_conv"})
    then.config.erase(key);
  int renamed = 0;
  for (auto& [name, tensor] : then.tensors) {
    const std::string before = name;
    replace(name, ".to_q.", ".query.");
    replace(name, ".to_k.", ".key.");
    replace(name, ".to_v.", ".value.");
    replace(name, ".to_out.0.", ".proj_attn.");
    renamed += name != before;
  }
  CHECK(renamed == 16);
  const Codec codec = test::loaded(then);
  CHECK(same(codec, test::loaded(now)));
  CHECK(latent_scaling(codec) == LatentScaling{0.18215, 0});
  CHECK_THAT(refusal("vae_kl_tiny",
                     [&](AutoencoderFolder& folder) {
                       folder = then;
                       folder.tensors.emplace_back(now.tensors.back());  // under its newer name a second time
                       folder.tensors.back().first = "encoder.mid_block.attentions.0.to_q.weight";
                       folder.tensors.back().second = at::zeros({16, 16});
                     }),
             Contains("lacks a place for 'encoder.mid_block.attentions.0.query.weight'"));
}

TEST_CASE("Half precision files are widened, and a folder's hash is its weights' file's", "[codec]") {
  const TemporaryFolder place;
  AutoencoderFolder folder = golden_folder("vae_kl_tiny");
  for (auto& [name, tensor] : folder.tensors) tensor = tensor.to(at::kHalf);
  test::write_folder(place.path(), folder);
  std::filesystem::rename(place / "diffusion_pytorch_model.safetensors",
                          place / "diffusion_pytorch_model.fp16.safetensors");
  const Codec codec = load_codec(place.path(), at::kCPU);
  for (const auto& [name, tensor] : named_tensors(codec)) CHECK(tensor.scalar_type() == at::kFloat);
}

TEST_CASE("TAESD's original files are diffusers' AutoencoderTiny", "[codec]") {
  const TemporaryFolder place;
  const AutoencoderFolder folder = golden_folder("vae_tiny");
  write_taesd(place.path(), folder);
  const Codec codec = test::loaded(folder);
  for (const char* name : {"taesd_encoder.safetensors", "taesd_decoder.safetensors", ""}) {
    const Codec original = load_codec(*name == 0 ? place.path() : place / name, at::kCPU);
    CHECK(same(original, codec));
    CHECK(content_sha256(original) == content_sha256(codec));
  }
  std::filesystem::remove(place / "taesd_encoder.safetensors");
  CHECK_THAT(file_error([&] { load_codec(place / "taesd_decoder.safetensors", at::kCPU); }),
             Contains("taesd_encoder.safetensors"));
  // Other sequences than TAESD's.
  io::write_safetensors(place / "taesd_encoder.safetensors", {{"0.weight", at::zeros({4, 3})}});
  CHECK_THAT(file_error([&] { load_codec(place.path(), at::kCPU); }),
             Contains("'0.weight' has shape [4, 3]") && Contains("TAESD"));
  io::write_safetensors(place / "taesd_encoder.safetensors", {{"0.weight", at::zeros({8, 3, 3, 3})}});
  CHECK_THAT(file_error([&] { load_codec(place.path(), at::kCPU); }), Contains("14.weight"));
}

TEST_CASE("A hostile config.json is refused with a line that names the key", "[codec]") {
  const std::string kl = "vae_kl_tiny", tiny = "vae_tiny";
  CHECK_THAT(
      refused_config(kl, "_class_name", "AutoencoderDC"),
      Contains("config.json") && Contains("_class_name") && Contains("AutoencoderKL, AutoencoderTiny"));
  CHECK_THAT(refusal(kl, [](auto& folder) { folder.config.erase("_class_name"); }), Contains("_class_name"));
  CHECK_THAT(refused_config(kl, "_class_name", 3), Contains("_class_name"));
  struct Row {
    const std::string &name, key;
    Json value;
    std::string said = key;
  };
  for (const Row& row : std::vector<Row>{
           {kl,
            "down_block_types",
            {"DownEncoderBlock2D", "AttnDownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"},
            "AttnDownEncoderBlock2D"},
           {kl, "up_block_types", {"UpDecoderBlock2D"}},
           {kl, "up_block_types", "UpDecoderBlock2D"},
           {kl, "block_out_channels", {8, 16, 16, 1'000'000'000}},
           {kl, "block_out_channels", {8, 16, 16, -16}},
           {kl, "block_out_channels", {8, 16, 16, "16"}},
           {kl, "block_out_channels", {8, 16, 16, 18}},
           {kl, "block_out_channels", Json::array()},
           {kl, "block_out_channels", 8},
           {kl, "layers_per_block", 1'000'000},
           {kl, "layers_per_block", 0},
           {kl, "layers_per_block", nullptr},
           {kl, "layers_per_block", 1.5},
           {kl, "norm_num_groups", 0},
           {kl, "norm_num_groups", 3},
           {kl, "latent_channels", 9'007'199'254'740'993},
           {kl, "in_channels", true},
           {kl, "act_fn", "mish"},
           {kl, "latents_mean", {0.1, 0.2, 0.3, 0.4}},
           {kl, "scaling_factor", 0},
           {kl, "scaling_factor", "0.18215"},
           {kl, "shift_factor", 1e30},
           {kl, "use_quant_conv", "no"},
           {kl, "dual_path", true},
           {kl, "sample_size", 1e12},
           {tiny, "act_fn", "silu"},
           {tiny, "encoder_block_out_channels", {8, 8, 8, 16}},
           {tiny, "encoder_block_out_channels", Json::array()},
           {tiny, "decoder_block_out_channels", {8, 8, 8}},
           {tiny, "num_encoder_blocks", {1, 3, 3, 1'000'000}},
           {tiny, "num_decoder_blocks", {3, 3, 3}, "num_decoder_blocks"},
           {tiny, "upsampling_scaling_factor", 4},
           {tiny, "upsample_fn", "bilinear"},
           {tiny, "layers_per_block", 2}}) {
    INFO(row.key << " = " << row.value.dump());
    CHECK_THAT(refused_config(row.name, row.key, row.value), Contains("config.json") && Contains(row.said));
  }
}

TEST_CASE("config.json with any byte changed is read or refused", "[codec]") {
  const TemporaryFolder place;
  const AutoencoderFolder folder = golden_folder("vae_tiny");
  test::write_folder(place.path(), folder);
  const std::string good = folder.config.dump();
  int refused = 0;
  const auto offer = [&](const std::string& config) {
    write_bytes(place / "config.json", config);
    refused += !file_error([&] { load_codec(place.path(), at::kCPU); }).empty();
  };
  for (size_t i = 0; i < good.size(); i += 3) {
    std::string config = good;
    config[i] = static_cast<char>(config[i] ^ (1 << (i % 8)));
    offer(config);
  }
  CHECK(refused > static_cast<int>(good.size() / 6));
  const int before = refused;
  for (size_t length = 0; length < good.size(); length += 40) offer(good.substr(0, length));
  offer(std::string(100'000, '['));
  offer("[]");
  offer("3");
  offer(std::string(2'000'000, ' '));
  offer(good + good);
  CHECK(refused == before + static_cast<int>((good.size() + 39) / 40) + 5);
}

TEST_CASE("A folder's weights must be the network's, all and only", "[codec]") {
  const std::string name = "decoder.conv_in.weight";
  CHECK_THAT(refusal("vae_kl_tiny",
                     [&](auto& folder) {
                       tensor(folder, name) = at::zeros({16, 4, 3, 1});
                     }),
             Contains("diffusion_pytorch_model.safetensors") &&
                 Contains("'" + name + "' has shape [16, 4, 3, 1]") && Contains("[16, 4, 3, 3]"));
  CHECK_THAT(refusal("vae_kl_tiny",
                     [&](auto& folder) {
                       tensor(folder, name) = at::zeros({16, 4, 3, 3}, at::kLong);
                     }),
             Contains("'" + name + "' does not hold floating-point numbers"));
  CHECK_THAT(refusal("vae_kl_tiny", [&](auto& folder) { folder.tensors.erase(folder.tensors.begin()); }),
             Contains("decoder.conv_in.bias"));
  CHECK_THAT(
      refusal("vae_kl_tiny", [](auto& folder) { folder.tensors.emplace_back("ema.decay", at::zeros({1})); }),
      Contains("lacks a place for 'ema.decay'"));
  // A configuration that its file does not bear out costs no memory.
  CHECK_THAT(refusal("vae_kl_tiny",
                     [](auto& folder) {
                       folder.config["block_out_channels"] = {8192, 8192, 8192, 8192};
                       folder.config["layers_per_block"] = 16;
                     }),
             Contains("diffusion_pytorch_model.safetensors"));

  const TemporaryFolder place;
  test::write_folder(place.path(), golden_folder("vae_tiny"));
  std::filesystem::rename(place / "diffusion_pytorch_model.safetensors",
                          place / "diffusion_pytorch_model.bin");
  CHECK_THAT(file_error([&] { load_codec(place.path(), at::kCPU); }),
             Contains("diffusion_pytorch_model.bin") && Contains("pickle"));
  std::filesystem::remove(place / "diffusion_pytorch_model.bin");
  CHECK_THAT(file_error([&] { load_codec(place.path(), at::kCPU); }),
             Contains("no diffusion_pytorch_model.safetensors"));
}
