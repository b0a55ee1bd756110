# SPDX-License-Identifier: Apache-2.0
"""What was done, as JSON and as text."""
import collections
import json

MOST_NAMED = 20


class Report:
    def __init__(self, source, options):
        self.conversions, self.sizes, self.classes = (collections.Counter() for _ in range(3))
        self.skipped = []
        self.content = {
            "source": source.kind,
            "options": options,
            "labels": source.labels.origin,
            "passed_over": source.passed_over,
        }

    def add(self, source_size, done, label):
        self.sizes[f"{source_size[0]} × {source_size[1]}"] += 1
        self.conversions.update(done)
        if label is not None:
            self.classes[label] += 1

    def skip(self, error):
        self.skipped.append({"name": error.name, "reason": error.what})

    def finish(self, size, channels, class_names):
        self.content |= {
            "images": self.sizes.total(),
            "size": list(size),
            "channels": channels,
            "classes": [
                {"class": k, "name": class_names[k] if class_names else str(k), "images": self.classes[k]}
                for k in range(max(self.classes, default=-1) + 1)
            ],
            "conversions": dict(sorted(self.conversions.items())),
            "source_sizes": dict(sorted(self.sizes.items(), key=lambda item: (-item[1], item[0]))),
            "skipped": self.skipped,
        }

    def json(self):
        return json.dumps(self.content, indent=1, ensure_ascii=False) + "\n"

    def text(self):
        """A line a fact; long lists are cut, which the JSON is not."""
        content = self.content
        colour = "RGB" if content["channels"] == 3 else "grey"
        width, height = content["size"]
        lines = [f"{content['images']} images of {width} × {height}, {colour}; source: {content['source']}"]
        classes = [f"{entry['name']} {entry['images']}" for entry in content["classes"]]
        lines.append(f"classes ({content['labels']}): {cut(classes)}" if classes else f"classes: {content['labels']}")
        lines += [f"{what}: {count}" for what, count in content["conversions"].items()]
        if len(content["source_sizes"]) > 1:
            lines.append(f"sizes: {cut([f'{count} of {size}' for size, count in content['source_sizes'].items()])}")
        if content["passed_over"]:
            lines.append(f"passed over: {cut(content['passed_over'])}")
        lines += [f"skipped {entry['name']}: {entry['reason']}" for entry in content["skipped"][:MOST_NAMED]]
        if len(content["skipped"]) > MOST_NAMED:
            lines.append(f"skipped {len(content['skipped']) - MOST_NAMED} more")
        return "\n".join(lines)


def cut(entries):
    more = len(entries) - MOST_NAMED
    return ", ".join(entries[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
