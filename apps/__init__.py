"""One Streamlit page a project: `python -m streamlit run apps/<name>.py`."""
