// Invariant: what is written here is valid JSON again when what comes in is valid; text that need not change
// is copied byte for byte.
#include "json.h"
#include "json_scan.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

namespace fractal::json {
namespace {

// Members of an object in the order of their first appearance, each with its last value.
class Members {
 public:
  explicit Members(std::string_view object) {
    MemberReader reader(object);
    for (Member member; reader.next(member);) set(member);
  }

  struct Slot {
    Member member;
    bool removed = false;
  };

  Slot* find(const Member& member) {
    const auto found = index_.find(decoded(member));
    return found == index_.end() ? nullptr : &slots_[found->second];
  }

  Slot& set(const Member& member) {
    const auto [at, created] = index_.try_emplace(decoded(member), slots_.size());
    if (created) {
      slots_.push_back({member});
    } else {
      slots_[at->second].member.value = member.value;
    }
    return slots_[at->second];
  }

  const std::vector<Slot>& slots() const noexcept { return slots_; }
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }

  std::string to_json() const {
    std::string out = "{";
    for (const Slot& slot : slots_) {
      if (slot.removed) continue;
      fmt::format_to(std::back_inserter(out), "{}\"{}\":{}", out.size() > 1 ? "," : "", slot.member.key,
                     slot.member.value);
    }
    out.push_back('}');
    return out;
  }

 private:
  std::string_view decoded(const Member& member) {
    if (!member.escaped) return member.key;
    std::string& text = texts_.emplace_back();
    append_decoded(member.key, text);
    return text;
  }

  std::vector<Slot> slots_;
  std::unordered_map<std::string_view, std::size_t> index_;
  std::deque<std::string> texts_;  // their addresses stay
};

// RFC 7396, MergePatch(target, patch) for a patch that is an object; any other target counts as {}.
std::string merge(std::string_view target, std::string_view patch) {
  Members result(kind_of(target) == Kind::object ? target : std::string_view("{}"));
  const Members changes(patch);
  for (const Members::Slot& each : changes.slots()) {
    const Member& change = each.member;
    Members::Slot* const old = result.find(change);
    if (kind_of(change.value) == Kind::null) {
      if (old != nullptr) old->removed = true;
      continue;
    }
    const std::string_view before = old != nullptr ? old->member.value : std::string_view("{}");
    Members::Slot& slot = result.set(change);
    if (kind_of(change.value) == Kind::object) slot.member.value = result.keep(merge(before, change.value));
  }
  return result.to_json();
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return text.substr(first, last - first + 1);
}

}  // namespace

Result<std::string> merge_patch(std::string_view target, std::string_view patch) {
  if (const auto ok = check_object(target, "target"); !ok) return ok.error();
  if (const auto ok = check_object(patch, "patch"); !ok) return ok.error();
  return merge(trimmed(target), trimmed(patch));
}

std::optional<std::string_view> raw_member(std::string_view object, std::string_view key) {
  std::optional<std::string_view> found;
  MemberReader reader(object);
  for (Member member; reader.next(member);) {
    if (member.is(key)) found = member.value;
  }
  return found;
}

std::string quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  out.push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
  return out;
}

std::string number(double value) {
  constexpr double most_digits = 1e15;
  if (value == std::trunc(value) && std::abs(value) < most_digits && !(value == 0 && std::signbit(value))) {
    return fmt::to_string(static_cast<std::int64_t>(value)) + ".0";
  }
  char buffer[32];
  const auto written = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<std::size_t>(written.ptr - buffer));
  const std::size_t e = text.find('e');
  if (e == std::string_view::npos) return std::string(text);  // inf, nan
  int exponent = 0;
  const char* const digits_of_exponent = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);

  std::string out;
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c == '-') {
      out.push_back('-');
    } else if (c != '.') {
      digits.push_back(c);
    }
  }
  if (exponent < 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-exponent - 1), '0');
    return out += digits;
  }
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) {
    out += digits;
    out.append(whole - digits.size(), '0');
    return out += ".0";
  }
  out.append(digits, 0, whole);
  out.push_back('.');
  return out.append(digits, whole);
}

std::string to_json(const Value& value) {
  struct Writer {
    std::string operator()(std::nullptr_t) const { return "null"; }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(std::int64_t integer) const { return fmt::to_string(integer); }
    std::string operator()(std::uint64_t natural) const { return fmt::to_string(natural); }
    // JSON has no word for the others.
    std::string operator()(double real) const { return std::isfinite(real) ? number(real) : "null"; }
    std::string operator()(const std::string& text) const { return quote(text); }
  };
  return std::visit(Writer{}, value.variant());
}

}  // namespace fractal::json
