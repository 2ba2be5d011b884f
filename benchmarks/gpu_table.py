"""One table of what `gpu.sh` measured.

python benchmarks/gpu_table.py benchmarks/results/gpu
"""

import json
import pathlib
import sys
from typing import Any

HEADER = """\
| backend | source | samples a second | share of a matrix product's rate \
| of the bare step | of fine-tuning | MB a sample, bare | MB a sample |
|---|---|---:|---:|---:|---:|---:|---:|"""


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    steps, banks = read(folder, "step"), read(folder, "bank")
    pipelines = read(folder, "input_pipeline")
    # Whichever benchmarks came to their end name the device.
    devices = [each["device"] for each in (*steps, *banks, *pipelines)]
    device = next(filter(None, devices), "No GPU")
    lines = [f"{device}, float32.", "", HEADER]
    counted: dict[str, int] = {}
    for content in steps:  # PyTorch first, which counts the operations
        for row in content["rows"]:
            if row["operations_a_step"]:
                counted[row["source"]] = row["operations_a_step"]
            lines.append(step_line(content, row, counted.get(row["source"])))
    lines += ["", "A batch of many programs, as a share of a batch of one:", ""]
    for content in banks:
        for row in content["rows"]:
            lines.append(
                f"- {content['backend']}, {content['programs']} programs, "
                f"{row['canvas']}x{row['canvas']}: {row['ratio']['median']:.3f}"
            )
    lines += ["", "A step with samples from the host, of one without:", ""]
    for content in pipelines:
        ratios = content["ratio_to_small_on_the_device"]
        lines.append(
            f"- {content['backend']}: "
            f"{ratios['small, from the host']['median']:.3f}, of whole "
            f"canvases {ratios['canvas, from the host']['median']:.3f}"
        )
    lines += ["", "Digits, `examples/quickstart.py`, test accuracy:", ""]
    for backend in ("torch", "jax"):
        path = folder / backend / "results.json"
        if path.exists():
            lines += [
                f"- {backend}, {row['method']}: {row['test_accuracy']:.3f}, "
                f"{row['seconds']:.0f} s"
                for row in json.loads(path.read_text())
            ]
    table = "\n".join(lines) + "\n"
    print(table)
    (folder / "gpu.md").write_text(table)


def read(folder: pathlib.Path, name: str) -> list[dict[str, Any]]:
    paths = [folder / f"{name}_{backend}.json" for backend in ("torch", "jax")]
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def step_line(
    content: dict[str, Any], row: dict[str, Any], operations: int | None
) -> str:
    seconds = row["seconds_a_step"]["reprogrammed"]
    batch = content["settings"]["batch_size"]
    rate = content["matrix_product_operations_a_second"]
    share = f"{operations / seconds / rate:.2f}" if operations else ""
    ratios, memory = row["ratios"], row["megabytes_a_sample"]
    cells = [
        content["backend"],
        row["source"],
        f"{batch / seconds:,.0f}",
        share,
        f"{ratios['reprogrammed / bare']['median']:.3f}",
        f"{ratios['reprogrammed / fine-tuning']['median']:.3f}",
        *(f"{memory.get(mode, 0):.1f}" for mode in ("bare", "reprogrammed")),
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
