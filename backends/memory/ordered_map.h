// An ordered map whose copies share their nodes: a copy costs one pointer, and stays as it is while the
// original changes. A treap (Seidel and Aragon, 1996) that copies the nodes on the way to a change.
//
// A node with one owner is changed in place. So whoever changes a copy of a map that other threads read keeps
// that map meanwhile: every node that they may have seen has two owners then, whatever else they drop.
#ifndef FRACTAL_BACKENDS_MEMORY_ORDERED_MAP_H
#define FRACTAL_BACKENDS_MEMORY_ORDERED_MAP_H

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace fractal::memory_backend {

template <class Key, class T> class OrderedMap {
 public:
  std::size_t size() const noexcept { return size_; }

  // Null if there is none. Valid until this map is changed.
  template <class Probe> const T* find(const Probe& key) const {
    for (const Node* node = root_.get(); node != nullptr;) {
      const auto order = key <=> node->entry->first;
      if (order == 0) return &node->entry->second;
      node = (order < 0 ? node->left : node->right).get();
    }
    return nullptr;
  }

  void set(Key key, T value) {
    Parts parts = split(std::move(root_), key);
    if (!parts.at) ++size_;
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;  // Knuth's MMIX
    auto entry = std::make_shared<const Entry>(std::move(key), std::move(value));
    auto node = std::make_shared<Node>(Node{random_ >> 32, std::move(entry), {}, {}});
    root_ = merge(merge(std::move(parts.before), std::move(node)), std::move(parts.after));
  }

  void erase(const Key& key) {
    Parts parts = split(std::move(root_), key);
    if (parts.at) --size_;
    root_ = merge(std::move(parts.before), std::move(parts.after));
  }

  // Visits in order (or in falling order) the entries with place(key) == 0, until visit(key, value)
  // says false. place is negative for keys before the range wanted and positive for those beyond it.
  template <class Place, class Visit> void walk(bool falling, const Place& place, const Visit& visit) const {
    walk_below(root_.get(), falling, place, visit);
  }

 private:
  using Entry = std::pair<const Key, T>;
  struct Node;
  using Link = std::shared_ptr<Node>;
  struct Node {
    std::uint64_t priority;  // a parent's is the greater
    std::shared_ptr<const Entry> entry;
    Link left, right;
  };

  static void own(Link& node) {
    if (node.use_count() > 1) node = std::make_shared<Node>(*node);
  }

  // The entries before the key, its own (or none), and those after it.
  struct Parts {
    Link before, at, after;
  };
  static Parts split(Link node, const Key& key) {
    if (!node) return {};
    own(node);
    const auto order = key <=> node->entry->first;
    if (order == 0) return {std::move(node->left), node, std::move(node->right)};
    Link& side = order < 0 ? node->left : node->right;
    Parts parts = split(std::move(side), key);
    Link& rest = order < 0 ? parts.after : parts.before;
    side = std::exchange(rest, std::move(node));
    return parts;
  }

  static Link merge(Link left, Link right) {
    if (!left || !right) return std::move(left ? left : right);
    if (left->priority > right->priority) {
      own(left);
      left->right = merge(std::move(left->right), std::move(right));
      return left;
    }
    own(right);
    right->left = merge(std::move(left), std::move(right->left));
    return right;
  }

  template <class Place, class Visit>
  static bool walk_below(const Node* node, bool falling, const Place& place, const Visit& visit) {
    if (!node) return true;
    const auto order = place(node->entry->first);
    const Node* first = (falling ? node->right : node->left).get();
    const Node* second = (falling ? node->left : node->right).get();
    if (order != 0) return walk_below((order < 0) == falling ? first : second, falling, place, visit);
    return walk_below(first, falling, place, visit) && visit(node->entry->first, node->entry->second) &&
           walk_below(second, falling, place, visit);
  }

  Link root_;
  std::size_t size_ = 0;
  std::uint64_t random_ = 0;
};

}  // namespace fractal::memory_backend

#endif
