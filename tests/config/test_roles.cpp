// SPDX-License-Identifier: Apache-2.0
// What a key means for an experiment that was begun under another value of it; structs found by their type.
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

#include "config/config.h"
#include "config/each.h"

using namespace onestep;
using config::Role;

namespace {

struct Rate {
  double peak = 1;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("peak", c.peak, "rate", config::positive);
  }
};

struct Fast {
  static constexpr const char* kind = "fast";
  Rate rate;
  std::optional<Rate> second;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("rate", c.rate, "rate");
    visit("second", c.second, "another");
  }
};

struct Slow {
  static constexpr const char* kind = "slow";
  template <class Self, class Visit>
  static void fields(Self&, Visit&&) {}
};

struct Watch {
  int64_t every = 1;
  std::string place = "a";
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("every", c.every, "steps");
    visit("place", c.place, "where", config::non_empty, Role::place);
  }
};

struct Work {
  int64_t seed = 0;
  int64_t images = 10;
  std::optional<Watch> watch = Watch{};
  std::variant<Fast, Slow> how;
  std::vector<Rate> rates{Rate{}};
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("seed", c.seed, "seed");
    visit("images", c.images, "images", config::any, Role::budget);
    visit("watch", c.watch, "watch", config::any, Role::free);
    visit("how", c.how, "how");
    visit("rates", c.rates, "rates");
  }
};

std::map<std::string, Role> roles(const Work& was, const Work& is) {
  std::map<std::string, Role> found;
  for (const auto& d : config::differences(config::parse(config::to_yaml(was), "then"), config::encode(is)))
    found[d.path] = d.role;
  return found;
}

}  // namespace

TEST_CASE("a role is that of the key, or of what it lies in") {
  Work is;
  is.seed = 1;
  is.images = 20;
  is.watch = Watch{.every = 2, .place = "b"};
  is.rates[0].peak = 2;
  CHECK(roles({}, is) == std::map<std::string, Role>{{"seed", Role::identity},
                                                     {"images", Role::budget},
                                                     {"watch.every", Role::free},
                                                     {"watch.place", Role::place},
                                                     {"rates.0.peak", Role::identity}});
  is = {};
  is.watch.reset();
  CHECK(roles({}, is) == std::map<std::string, Role>{{"watch", Role::free}});
  CHECK(roles(is, {}) == std::map<std::string, Role>{{"watch", Role::free}});
  is = {};
  is.how = Slow{};
  CHECK(roles({}, is) == std::map<std::string, Role>{{"how.kind", Role::identity},
                                                     {"how.rate", Role::identity},
                                                     {"how.second", Role::identity}});
}

TEST_CASE("a difference tells both values") {
  Work is;
  is.watch = Watch{.place = "b c"};
  const auto found = config::differences(config::parse(config::to_yaml(Work{}), "then"), config::encode(is));
  REQUIRE(found.size() == 1);
  CHECK(found[0].was == "a");
  CHECK(found[0].is == "b c");
  CHECK(config::keys_of(found) == "watch.place");
}

TEST_CASE("structs of a type are found wherever they are in use") {
  const auto paths = [](const Work& work) {
    std::string found;
    config::for_each<Rate>(work, [&](const std::string& path, const Rate&) { found += path + " "; });
    return found;
  };
  Work work;
  CHECK(paths(work) == "how.rate rates.0 ");
  std::get<Fast>(work.how).second = Rate{};
  CHECK(paths(work) == "how.rate how.second rates.0 ");
  work.how = Slow{};
  CHECK(paths(work) == "rates.0 ");
}
