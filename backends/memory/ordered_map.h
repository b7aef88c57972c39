// An ordered map whose copies share their nodes: a copy costs one pointer, and stays as it is while the
// original changes. A treap (Seidel and Aragon, 1996) that copies the nodes on the way to a change.
//
// Each node carries the number of the edit that made it, and the same edit may change it in place. So
// an edit number is used once, for changes to maps of which no copy is made before the edit ends.
#ifndef FRACTAL_BACKENDS_MEMORY_ORDERED_MAP_H
#define FRACTAL_BACKENDS_MEMORY_ORDERED_MAP_H

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace fractal::memory_backend {

using Edit = std::uint64_t;

template <class Key, class T> class OrderedMap {
 public:
  using key_type = Key;

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

  void set(Edit edit, Key key, T value) {
    erase(edit, key);
    auto [left, right] = split(std::move(root_), edit, key);
    random_ = random_ * 6364136223846793005U + 1442695040888963407U;  // Knuth's MMIX
    auto entry = std::make_shared<const Entry>(std::move(key), std::move(value));
    auto node = std::make_shared<Node>(Node{edit, random_ >> 32, std::move(entry), {}, {}});
    root_ = merge(merge(std::move(left), std::move(node), edit), std::move(right), edit);
    ++size_;
  }

  void erase(Edit edit, const Key& key) {
    if (!find(key)) return;
    remove(root_, edit, key);
    --size_;
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
    Edit edit;
    std::uint64_t priority;  // a parent's is the greater
    std::shared_ptr<const Entry> entry;
    Link left, right;
  };

  static void own(Link& node, Edit edit) {
    if (node->edit == edit) return;
    node = std::make_shared<Node>(*node);
    node->edit = edit;
  }

  // The entries before the key, and the rest.
  static std::pair<Link, Link> split(Link node, Edit edit, const Key& key) {
    if (!node) return {};
    own(node, edit);
    const bool before = node->entry->first < key;
    Link& side = before ? node->right : node->left;
    auto [left, right] = split(std::move(side), edit, key);
    side = std::move(before ? left : right);
    if (before) return {std::move(node), std::move(right)};
    return {std::move(left), std::move(node)};
  }

  static Link merge(Link left, Link right, Edit edit) {
    if (!left || !right) return left ? left : right;
    if (left->priority > right->priority) {
      own(left, edit);
      left->right = merge(std::move(left->right), std::move(right), edit);
      return left;
    }
    own(right, edit);
    right->left = merge(std::move(left), std::move(right->left), edit);
    return right;
  }

  static void remove(Link& node, Edit edit, const Key& key) {
    const auto order = key <=> node->entry->first;
    if (order == 0) {
      node = merge(node->left, node->right, edit);
      return;
    }
    own(node, edit);
    remove(order < 0 ? node->left : node->right, edit, key);
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
