"""One law of number cells: what is no number in a study is none in a vehicles file or a cycle either."""

from __future__ import annotations

from pathlib import Path

import pytest

from teikei.errors import StudyError
from teikei.simulate.drive_file import read_cycle
from teikei.simulate.vehicle_file import read_vehicles

NO_NUMBERS = ["1_000", "٥", "१", "1,000", "1 000", "0x10", "nan", "inf", "1e999", "−5", "5 kg"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_vehicle_with_no_number_is_a_fault(tmp_path: Path, text: str) -> None:
    header = "vehicle_id,maker,model_year,test_mass_kg,f0_n,f1_n_per_mps,f2_n_per_mps2,power_kw,drive\n"
    (tmp_path / "v.csv").write_text(
        f'{header}a,A,2024,"{text}",120,1,0.4,100,fwd\nb,A,2024,１８００,120,1,0.4,100,fwd\n', "utf-8"
    )
    read = read_vehicles(tmp_path / "v.csv")
    assert "test_mass_kg" in read.faults[0]
    assert read.faults[1] == ""
    assert read.cars.test_mass_kg[1] == 1800


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_cycle_with_no_number_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.csv").write_text(f'time_s,speed_mps\n0,0\n1,"{text}"\n2,0\n', "utf-8")
    with pytest.raises(StudyError, match=r"c\.csv:3:speed_mps"):
        read_cycle(tmp_path / "c.csv")
