// SPDX-License-Identifier: Apache-2.0
#include <sstream>

#include <catch2/catch.hpp>

#include "config/config.h"
#include "config/example.h"

using namespace onestep;

namespace {

struct Wide {
  std::string a_key_that_is_longer_than_its_column_may_be =
      "a default value that is much too long for its column";
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("a_key_that_is_longer_than_its_column_may_be", c.a_key_that_is_longer_than_its_column_may_be,
          "a meaning that takes more than one line because it has a good many words to say",
          config::non_empty);
  }
};

}  // namespace

TEST_CASE("help lists every key with range, default and meaning") {
  CHECK(config::help<example::Experiment>() ==
        R"(key                 value                   default       meaning
name                text                    trial         of the run
device              one of cpu, cuda        cpu           where to compute
batch               integer in [1, 4096]    64            images a step
flip                true or false           true          mirror half of the images
dropout             number in [0, 1]        0.1           share of features dropped
clip                number > 0 or null      null          largest gradient norm
extra               map or null             null          a second range of noise

extra: where it is given
extra.sigma_min     number > 0              0.002         lowest noise level
extra.sigma_max     number > 0              80.0          highest noise level

noise: the range of noise
noise.sigma_min     number > 0              0.002         lowest noise level
noise.sigma_max     number > 0              80.0          highest noise level

optimizer: how weights are updated
optimizer.kind      one of adam, sgd        adam          chooses the keys below

optimizer (kind: adam)
optimizer.lr        number > 0              0.001         learning rate
optimizer.betas     [number in [0, 1], …]   [0.9, 0.99]   decay of the two moments

optimizer (kind: sgd)
optimizer.lr        number > 0              0.1           learning rate
optimizer.momentum  number in [0, 1]        0.9           share of the last step that is kept

channels            [integer > 0, …]        [1, 2]        multiplier a level
sets                list of maps            []            what is compared

sets.N: each entry
sets.N.name         non-empty text          required      what the report calls it
sets.N.count        integer >= 0            0             images
)");
}

TEST_CASE("help of a variant starts with its kinds") {
  const std::string text = config::help<std::variant<example::Sgd, example::Adam>>();
  CHECK(text.find("\nkind  ") < text.find("\n(kind: sgd)\n"));
  CHECK(text.find("\n(kind: sgd)\n") < text.find("\n(kind: adam)\n"));
}

TEST_CASE("help fits 100 columns") {
  const std::string text = config::help<Wide>();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 100);
  CHECK(text.find("\na_key_that_is_longer_than_its_column_may_be\n") != std::string::npos);
  CHECK(text.find("many words") != std::string::npos);
}
