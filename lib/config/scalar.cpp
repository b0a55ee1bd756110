// SPDX-License-Identifier: Apache-2.0
#include "config/scalar.h"

#include <charconv>
#include <cmath>

namespace onestep::config {
namespace {

bool is_digit(char letter) {
  return letter >= '0' && letter <= '9';
}

template <class T>
std::optional<T> from_decimal(const Node& node) {
  if (node.kind != Node::Kind::scalar || node.quoted || has_leading_zero(node.text)) return std::nullopt;
  T value{};
  const char* end = node.text.data() + node.text.size();
  const auto [stop, error] = std::from_chars(node.text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

bool has_leading_zero(const std::string& text) {
  const size_t first = !text.empty() && text[0] == '-' ? 1 : 0;
  return text.size() > first + 1 && text[first] == '0' && is_digit(text[first + 1]);
}

std::optional<bool> as_bool(const Node& node) {
  if (node.kind != Node::Kind::scalar || node.quoted) return std::nullopt;
  if (node.text == "true") return true;
  if (node.text == "false") return false;
  return std::nullopt;
}

std::optional<int64_t> as_integer(const Node& node) {
  return from_decimal<int64_t>(node);
}

std::optional<double> as_number(const Node& node) {
  const auto value = from_decimal<double>(node);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

bool is_text(const Node& node) {
  return node.kind == Node::Kind::scalar && (node.quoted || (!as_bool(node) && !as_number(node)));
}

std::string shortest(double value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end};
}

}  // namespace onestep::config
